"""Model upload and diagnostics, as numerapi 3.1 asks for them.

Diagnostics here are corr on the served validation.parquet, and need one more question before they
are done; Numerai's other scores are null. The words `running` and `done` are invented.
"""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from numerai_lab.scoring import corr_per_era, sharpe
from numerai_lab.stand_in.graphql import QueryError
from numerai_lab.stand_in.operations import Operation, own_model, upload_address
from numerai_lab.stand_in.world import Account, World

IMAGES = ("Python 3.10", "Python 3.11", "Python 3.12", "Python 3.13")


def _listed(names: list[str]) -> list[dict[str, str]]:
    return [{"name": name, "id": _id(name)} for name in names]


def _id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _images(*_: Any) -> list[dict[str, str]]:
    return _listed(list(IMAGES))


def _versions(world: World, *_: Any) -> list[dict[str, str]]:
    return _listed(sorted({name.split("/")[0] for name in world.datasets.names()}))


def _auth(
    world: World, arguments: dict[str, Any], account: Account | None, server: str
) -> dict[str, Any]:
    own_model(world, arguments, account)
    return upload_address(world, arguments, server)


def _uploaded(world: World, arguments: dict[str, Any]) -> tuple[str, bytes]:
    filename = str(arguments["filename"])
    if filename not in world.uploads:
        raise QueryError("The file was not uploaded")
    return filename, world.uploads[filename]


def _create_pickle(
    world: World, arguments: dict[str, Any], account: Account | None, _: str
) -> dict[str, Any]:
    name, model_id = own_model(world, arguments, account)
    filename, content = _uploaded(world, arguments)
    if not filename.endswith(".pkl"):
        raise QueryError("The file must be a .pkl")
    known = {item["id"]: item["name"] for item in [*_images(), *_versions(world)]}
    entry = {
        "id": _id(filename),
        "model": name,
        "model_id": model_id,
        "filename": filename,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "docker_image": known.get(str(arguments.get("dockerImageId"))),
        "data_version": known.get(str(arguments.get("dataVersionId"))),
    }
    world.extra.setdefault("pickles", []).append(entry)
    return {"id": entry["id"]}


def _create_diagnostics(
    world: World, arguments: dict[str, Any], account: Account | None, _: str
) -> dict[str, Any]:
    name, model_id = own_model(world, arguments, account)
    filename, content = _uploaded(world, arguments)
    entry = {"id": _id(filename), "model": name, "model_id": model_id, "asked": 0}
    world.extra.setdefault("diagnostics", []).append(entry | _judge(world, content))
    return {"id": entry["id"]}


def _judge(world: World, content: bytes) -> dict[str, Any]:
    """Score predictions against the target of the served validation file."""
    names = [name for name in world.datasets.names() if name.endswith("/validation.parquet")]
    path = world.datasets.files[names[-1]] if names else None
    if not isinstance(path, Path):
        return {"status": "error", "message": "there is no validation file", "result": {}}
    try:
        table = pd.read_csv(io.BytesIO(content), dtype={"id": str}, keep_default_na=False)
        values = table.set_index("id")["prediction"]
    except (ValueError, KeyError) as error:
        return {"status": "error", "message": f"not id,prediction ({error})", "result": {}}
    if not values.between(0, 1).all() or not values.index.is_unique:
        message = "predictions must be between 0 and 1, each id once"
        return {"status": "error", "message": message, "result": {}}
    rows = pd.read_parquet(path, columns=["era", "target"])
    rows = rows.join(values.rename("prediction"), how="inner").dropna().sort_values("era")
    if not len(rows):
        return {"status": "error", "message": "no id is a validation id", "result": {}}
    counts = rows.groupby("era", sort=True).size().to_numpy()
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    scores = corr_per_era(
        rows["prediction"].to_numpy(dtype=np.float64),
        rows["target"].to_numpy(dtype=np.float32),
        offsets,
    )[:, 0]
    scores = scores[np.isfinite(scores)]
    result = {
        "erasAcceptedCount": len(counts),
        "trainedOnVal": False,
        "validationCorrMean": float(scores.mean()),
        "validationCorrStd": float(scores.std()),
        "validationCorrSharpe": sharpe(scores),
    }
    return {"status": "done", "message": None, "result": result}


def _diagnostics(
    world: World, arguments: dict[str, Any], account: Account | None, _: str
) -> dict[str, Any]:
    _name, model_id = own_model(world, arguments, account)
    for entry in world.extra.get("diagnostics", []):
        if entry["model_id"] == model_id and arguments.get("id") in (None, entry["id"]):
            entry["asked"] += 1
            done = entry["asked"] > 1
            result = entry["result"] if done else {}
            return _Answer(
                status=entry["status"] if done else "running",
                message=entry["message"] if done else None,
                updatedAt=None,
                **result,
            )
    raise QueryError("Diagnostics not found")


class _Answer(dict[str, Any]):
    """All fields that numerapi asks for: those not scored here are null, others are not known."""

    _KNOWN = re.compile(
        r"(validation\w+|examplePredsCorrMean|erasAcceptedCount|perEraDiagnostics|trainedOnVal)"
    )

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or bool(self._KNOWN.fullmatch(str(name)))

    def __missing__(self, _: str) -> None:
        return None


MODEL_OPERATIONS: dict[str, Operation] = {
    "computePickleDockerImages": _images,
    "computePickleDataVersions": _versions,
    "computePickleUploadAuth": _auth,
    "createComputePickleUpload": _create_pickle,
    "diagnosticsUploadAuth": _auth,
    "createDiagnostics": _create_diagnostics,
    "diagnostics": _diagnostics,
}
