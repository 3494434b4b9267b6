"""`imported`: predictions that were made elsewhere, taken from a file by id.

A run with it fits nothing. `numerai-lab import` writes its config; a person's config may name it,
as a member of a stack: `{type: imported, params: {file: mine.parquet}}`.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pyarrow.compute as pc
from pydantic import Field

from numerai_lab.arrays import Float32
from numerai_lab.data import read_id_table
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.contract import (
    FitContext,
    FitReport,
    ModelInfo,
    Params,
    load_meta,
    save_meta,
)


class ImportedParams(Params):
    """Where the predictions are."""

    file: Path = Field(strict=False, description="parquet or CSV with id and a column of numbers")
    column: str = Field("prediction", description="the column of the file that is judged")


class Imported:
    """Predictions from a file. Rows that it lacks are NaN, which a run leaves out and counts."""

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="predictions from a file", unit="rows", made_elsewhere=True
    )
    Params: ClassVar[type[ImportedParams]] = ImportedParams

    def __init__(self, params: ImportedParams) -> None:
        self.params = params

    @classmethod
    def info_for(cls, params: ImportedParams) -> ModelInfo:
        """Return the traits, with where the predictions came from."""
        return ModelInfo(
            summary=cls.info.summary,
            unit="rows",
            made_elsewhere=True,
            origin=f"IMPORTED predictions of {params.file.name}: nobody knows here what they were "
            "trained on, so no leak can be ruled out",
        )

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:  # noqa: ARG002 - of the protocol
        """Refuse: a run asks for no fit, and within another model nothing could be learnt.

        Raises ModelError.
        """
        raise ModelError(
            f"predictions of {self.params.file} cannot be fitted within another model",
            where="model.type imported",
            fix="make them the experiment's model, or a member of a stack",
        )

    @cached_property
    def _table(self) -> tuple[pc.Array, Float32]:
        read = read_id_table(self.params.file)
        columns = read.columns
        if self.params.column not in columns.column_names:
            raise ModelError(
                f"has no column '{self.params.column}' of predictions",
                where=str(self.params.file),
                fix=f"name one of {', '.join(columns.column_names)} as model.params.column",
            )
        values = columns[self.params.column].cast("float32", safe=False).to_numpy()
        return read.ids, np.asarray(values, dtype=np.float32)

    def predict(self, frame: EraFrame) -> Float32:
        """Return what the file has for each row, float32 [n_rows], NaN where it has nothing."""
        ids, values = self._table
        places = pc.index_in(frame.ids, value_set=ids)
        known = pc.is_valid(places).to_numpy(zero_copy_only=False)
        found = values[places.fill_null(0).to_numpy(zero_copy_only=False)]
        return np.where(known, found, np.float32(np.nan)).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write where the predictions came from; the run keeps the predictions themselves."""
        save_meta(folder, self.params, {})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        params, _ = load_meta(folder, ImportedParams)
        return cls(params)
