"""What the final model of a run keeps of the past, if it looks back: sums in itself, or rows."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from numerai_lab.eraframe import EraFrame
from numerai_lab.experiment.plan import Prepared
from numerai_lab.models import RememberingModel, history_before

FOLDER = "history"
_FEATURES, _ROWS = "features.npy", "rows.parquet"
_SIDE, _TARGET = "side:", "target:"
_CHUNK_ROWS = 8192


@dataclass(frozen=True)
class KeptHistory:
    """What a final model looks back on.

    Attributes
    ----------
    eras : how many era numbers before the one it predicts. purge_eras : those without labels.
    targets : whose labels it is shown. last_era : the last one of its fit.
    rows : the last eras of its fit; None: the model remembers what it needs of them.
    """

    eras: int
    purge_eras: int
    targets: tuple[str, ...]
    last_era: int
    rows: EraFrame | None


def keep_history(folder: Path, prepared: Prepared, last_era: int) -> dict[str, Any]:
    """Keep what the model saved in `folder/model` needs of the eras up to its last one.

    Parameters
    ----------
    last_era : the last era that it was fitted on.

    Returns
    -------
    What fit.json tells about it; nothing where the model does not look back.
    """
    past, n_back = prepared.past, prepared.history_eras
    if not n_back:
        return {}
    # the labels of all eras that it was fitted on are known
    history = history_before(past.rows, last_era + 1, n_back, 0, past.targets)
    model = prepared.model_class(prepared.params)
    remembers = isinstance(model, RememberingModel)
    if remembers:
        fitted = prepared.model_class.load(folder / "model")
        assert isinstance(fitted, RememberingModel)
        fitted.remember(history)
        shutil.rmtree(folder / "model")
        (folder / "model").mkdir()
        fitted.save(folder / "model")
    else:
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
        _save(history, folder / FOLDER)
    facts = {
        "eras": n_back,
        "purge_eras": past.purge_eras,
        "targets": list(past.targets),
        "kept": "by the model" if remembers else "rows",
        "kept_eras": history.eras.tolist(),
    }
    return {"history": facts}


def load_history(
    folder: Path, facts: Mapping[str, Any], feature_names: Sequence[str]
) -> KeptHistory | None:
    """Read what `keep_history` kept; None where fit.json (`facts`) tells of nothing.

    Raises
    ------
    OSError, ValueError, KeyError : a file is gone, or not as it was written.
    """
    told = facts.get("history")
    if told is None:
        return None
    rows = None
    if told["kept"] == "rows":
        rows = _load(folder / FOLDER, tuple(feature_names))
    return KeptHistory(
        eras=int(told["eras"]),
        purge_eras=int(told["purge_eras"]),
        targets=tuple(told["targets"]),
        last_era=int(facts["last_era"]),
        rows=rows,
    )


def _save(frame: EraFrame, folder: Path) -> None:
    folder.mkdir()
    shape = frame.features.shape
    kept = np.lib.format.open_memmap(
        folder / _FEATURES, mode="w+", dtype=frame.features.dtype, shape=shape
    )
    for start in range(0, frame.n_rows, _CHUNK_ROWS):
        kept[start : start + _CHUNK_ROWS] = frame.features[start : start + _CHUNK_ROWS]
    kept.flush()
    columns: dict[str, Any] = {"id": frame.ids, "era": pa.array(frame.row_eras)}
    if frame.entity is not None:
        columns["entity"] = frame.entity
    columns |= {_SIDE + name: column for name, column in frame.side.items()}
    columns |= {_TARGET + n: pa.array(frame.target(n)) for n in frame.target_names}
    pq.write_table(pa.table(columns), folder / _ROWS)


def _load(folder: Path, feature_names: tuple[str, ...]) -> EraFrame:
    table = pq.read_table(folder / _ROWS).combine_chunks()

    def column(name: str) -> pa.Array:
        found = table[name].combine_chunks()
        return found.chunk(0) if isinstance(found, pa.ChunkedArray) else found

    row_eras = table["era"].to_numpy().astype(np.int32)
    eras, first = np.unique(row_eras, return_index=True)
    targets = [name for name in table.column_names if name.startswith(_TARGET)]
    values = [table[name].to_numpy().astype(np.float32) for name in targets]
    return EraFrame(
        features=np.load(folder / _FEATURES),
        eras=eras,
        offsets=np.append(first, len(row_eras)).astype(np.int64),
        ids=column("id"),
        targets=np.column_stack(values),
        feature_names=feature_names,
        target_names=tuple(name.removeprefix(_TARGET) for name in targets),
        entity=column("entity") if "entity" in table.column_names else None,
        side={
            name.removeprefix(_SIDE): column(name)
            for name in table.column_names
            if name.startswith(_SIDE)
        },
    )
