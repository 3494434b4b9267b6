"""`diagnostics`: a run's validation predictions judged by Numerai itself, beside our own scores."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from numerai_lab.data import ids_in
from numerai_lab.disclosure import without_controls
from numerai_lab.errors import DataError, UserError
from numerai_lab.experiment import RunDir
from numerai_lab.scoring import sharpe
from numerai_lab.tournament.server import (
    Tournament,
    TournamentError,
    is_stand_in,
    read_auth,
    read_flag,
    read_id,
    read_number,
    read_text,
    read_whole,
)

FIELDS = {
    "corr": "validationCorrMean",
    "corr_std": "validationCorrStd",
    "sharpe": "validationCorrSharpe",
    "max_drawdown": "validationMaxDrawdown",
    "mmc": "validationMmcMean",
    "bmc": "validationBmcMean",
    "fnc": "validationFeatureNeutralCorrV3Mean",
    "exposure_max": "validationFeatureCorrMax",
}
"""Our names -> Numerai's. Source: `diagnostics` of numerapi 3.1."""
WORKING = {"", "new", "created", "pending", "queued", "waiting", "running", "processing"}
"""Statuses that are not the last. The API documents none, so any other word ends the wait."""

LONGEST_PAUSE_SECONDS = 10.0


@dataclass(frozen=True)
class Diagnostics:
    """What Numerai says of the predictions.

    Attributes
    ----------
    status, message : Numerai's words. n_eras : eras it accepted.
    trained_on_validation : whether it holds the model to have seen the validation eras.
    scores : by our names; None where there is none.
    own_scores : the same of the run itself, over `own_eras` alone.
    own_eras : number, first and last of the eras that were sent (of an earlier upload: all that
        the run judged); None where it has no score of any. n_judged : eras that the run judged.
    stand_in : the scores are those of a stand-in on this machine, not Numerai's.
    """

    id: str
    status: str
    message: str | None
    n_eras: int | None
    trained_on_validation: bool | None
    scores: dict[str, float | None]
    own_scores: dict[str, float | None] = field(default_factory=dict)
    own_eras: tuple[int, int, int] | None = None
    n_judged: int | None = None
    stand_in: bool = False


def validation_csv(run: RunDir, validation: Path | None) -> tuple[bytes, npt.NDArray[np.int32]]:
    """Return the run's predictions of validation rows as Numerai takes them, and their eras.

    Ranks within (0, 1) per era: diagnostics, like submissions, takes nothing outside.

    Parameters
    ----------
    validation : Numerai's validation.parquet, which says which rows are asked for; None: all.

    Raises
    ------
    DataError : the run predicted no validation row.
    """
    path = run.checked(run.predictions_path)
    table = pd.read_parquet(path, columns=["id", "era", "prediction"])
    if validation is not None:
        ids = set(ids_in(validation).to_pylist())
        table = table[table["id"].isin(ids)]
    if not len(table):
        raise DataError(
            "no judged era of the run is in the validation file",
            where=str(run.predictions_path),
            fix="judge later eras (split.chunk_eras, or type: official)",
        )
    groups = table.groupby("era", sort=False)["prediction"]
    size = groups.transform("size").to_numpy(dtype=np.float64)
    ranks = (groups.rank(method="average").to_numpy(dtype=np.float64) - 0.5) / size
    file = io.BytesIO()
    pd.DataFrame({"id": table["id"].to_numpy(), "prediction": ranks}).to_csv(file, index=False)
    return file.getvalue(), np.unique(table["era"].astype(np.int32).to_numpy())


def upload_diagnostics(tournament: Tournament, model_id: str, csv: bytes) -> str:
    """Upload predictions to a model's diagnostics and return their id."""
    number = tournament.client.tournament_id
    auth_query = """
        query($filename: String!
              $tournament: Int!
              $modelId: String) {
            diagnosticsUploadAuth(filename: $filename
                                  tournament: $tournament
                                  modelId: $modelId) {
                filename
                url
            }
        }
    """
    arguments = {"filename": "validation.csv", "tournament": number, "modelId": model_id}
    answer = tournament.query(auth_query, arguments)
    auth = tournament.read(lambda: read_auth(answer["diagnosticsUploadAuth"]))
    tournament.put(auth.url, csv)
    create_query = """
        mutation($filename: String!
                 $tournament: Int!
                 $modelId: String) {
            createDiagnostics(filename: $filename
                              tournament: $tournament
                              modelId: $modelId) {
                id
            }
        }"""
    arguments = {"filename": auth.filename, "tournament": number, "modelId": model_id}
    made = tournament.query(create_query, arguments)
    return tournament.read(lambda: read_id(made["createDiagnostics"]["id"]))


def read_diagnostics(tournament: Tournament, model_id: str, id_: str) -> Diagnostics:
    """Ask once for a result."""
    query = f"""
        query($id: String
              $modelId: String!) {{
          diagnostics(id: $id
                      modelId: $modelId) {{
            erasAcceptedCount
            message
            status
            trainedOnVal
            {" ".join(FIELDS.values())}
          }}
        }}
    """
    answer = tournament.query(query, {"id": id_, "modelId": model_id})
    found: Any = tournament.read(lambda: answer["diagnostics"])
    if isinstance(found, list):  # numerapi's own code iterates over it
        found = found[0] if found else None
    if not isinstance(found, dict):
        raise TournamentError(
            f"the server has no diagnostics '{id_}'", fix="look at the model's page at numer.ai"
        )
    return tournament.read(lambda: _read_diagnostics(id_, found))


def _read_diagnostics(id_: str, found: dict[str, Any]) -> Diagnostics:
    message, n_eras = found["message"], found["erasAcceptedCount"]
    return Diagnostics(
        id=id_,
        status=read_text(found["status"]) if found["status"] else "",
        message=None if message is None else without_controls(str(message)[:1000]),
        n_eras=None if n_eras is None else read_whole(n_eras),
        trained_on_validation=read_flag(found["trainedOnVal"]),
        scores={ours: read_number(found[theirs]) for ours, theirs in FIELDS.items()},
    )


def await_diagnostics(
    tournament: Tournament,
    model_id: str,
    id_: str,
    *,
    wait_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Diagnostics:
    """Ask until the result is there or the wait is over; the last answer either way.

    Pauses double from one second to `LONGEST_PAUSE_SECONDS`.
    """
    until, pause = clock() + wait_seconds, 1.0
    while True:
        found = read_diagnostics(tournament, model_id, id_)
        if found.status.lower() not in WORKING or clock() + pause > until:
            return found
        sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def diagnose(
    tournament: Tournament,
    run: RunDir,
    model: str,
    *,
    wait_seconds: float,
    again: str | None = None,
    say: Callable[[str], None],
) -> Diagnostics:
    """Upload a run's validation predictions to a model's diagnostics and wait for the result.

    Parameters
    ----------
    model : Numerai's name of the model. again : id of an earlier upload to show instead.

    Raises
    ------
    UserError : a run on synthetic data, unless the server is a stand-in. Rejected, TournamentError.
    """
    manifest = run.manifest()
    if manifest["data"]["source"] == "synthetic" and not is_stand_in(tournament.url):
        raise UserError(
            "the run was judged on synthetic data, of which Numerai has no rows",
            where=str(run.path),
            fix="train it on Numerai's data",
        )
    model_id = tournament.model_id(model)
    eras = None
    if again is None:
        folder = manifest["data"]["folder"]
        file = Path(folder) / "validation.parquet" if folder else None
        if file is None or not file.is_file():
            say("there is no validation.parquet beside the run's data: all judged rows are sent")
            file = None
        csv, eras = validation_csv(run, file)
        again = upload_diagnostics(tournament, model_id, csv)
        say(f"predictions of {len(eras)} eras uploaded, diagnostics {again}")
    result = await_diagnostics(tournament, model_id, again, wait_seconds=wait_seconds)
    if result.status.lower() in WORKING:
        say(f"not done yet (status {result.status}); ask again with --id {again}")
    own = _own_scores(run, eras)
    return replace(result, **own, stand_in=is_stand_in(tournament.url))


def _own_scores(run: RunDir, eras: npt.NDArray[np.int32] | None) -> dict[str, Any]:
    """Return what the run says of itself over these eras, and which they are, as `Diagnostics`."""
    table = pd.read_parquet(run.checked(run.per_era_path))
    target = run.scores()["target"]
    rows = table[(table["prediction"] == "prediction") & (table["target"] == target)]
    n_judged = int(rows["era"].nunique())
    if eras is not None:
        rows = rows[rows["era"].isin(eras)]
    names = [name for name in FIELDS if name in rows.columns]
    found: dict[str, float | None] = {
        name: float(rows[name].mean()) if rows[name].notna().any() else None for name in names
    }
    corr = rows.sort_values("era")["corr"].dropna().to_numpy(dtype=np.float64)
    if len(corr):
        total = np.cumsum(corr)  # from the first era on, as in scores.json
        found |= {
            "corr_std": float(corr.std()),
            "sharpe": sharpe(corr),
            "max_drawdown": float((np.maximum.accumulate(total) - total).max()),
        }
    judged = rows["era"]
    span = (judged.nunique(), int(judged.min()), int(judged.max())) if len(judged) else None
    return {"own_scores": found, "own_eras": span, "n_judged": n_judged}
