"""How far predictions are from what was promised, on which rows, and what usually is the cause."""

from __future__ import annotations

import numpy as np

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame


def told_difference(found: Float32, expected: Float32, rows: EraFrame, usually: str) -> str:
    """Say how many predictions differ, by how much, where first, and the usual cause.

    Parameters
    ----------
    found, expected : [n_rows], which are not the same. rows : whose predictions they are.
    usually : the cause, as the end of a sentence.
    """
    apart = np.abs(found.astype(np.float64) - expected)
    places = np.flatnonzero(apart > 0)
    most = int(apart.argmax())
    spread = float(np.std(expected))
    share = f", {apart[most] / spread:.1e} of their standard deviation" if spread else ""
    eras = rows.row_eras[places]
    where = f"era {eras[0]}" if eras[0] == eras[-1] else f"eras {eras[0]}-{eras[-1]}"
    return (
        f"{len(places)} of {len(apart)} predictions differ, by up to {apart[most]:.1e}{share}, in "
        f"{where} (most: row {most}, id {rows.ids[most].as_py()}); usually {usually}"
    )
