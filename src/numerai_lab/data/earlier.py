"""Eras before those that are predicted: what of a run's data its final model has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from numerai_lab.config import Columns, Data
from numerai_lab.data.reading import (
    Beside,
    EraFilter,
    RowFilter,
    Sources,
    apply_missing,
    check_entities,
    check_unique,
    id_column,
    need_columns,
    read_beside,
    read_features,
    read_heads,
    read_ids,
    read_targets,
    slices,
)
from numerai_lab.data.source import find_source
from numerai_lab.data.unlabelled import as_trained
from numerai_lab.eraframe import EraFrame


@dataclass(frozen=True)
class EarlierRows:
    """The files of a run's data section as they are now, to read eras from.

    Attributes
    ----------
    eras : int32, the numbers of all eras in them, of the kinds of rows that the section keeps.
    files : the files, in order.
    """

    config: Data
    columns: Columns
    eras: npt.NDArray[np.int32]
    files: tuple[Path, ...]

    @classmethod
    def find(cls, config: Data) -> EarlierRows:
        """Find the files and read which eras they have.

        Raises
        ------
        DataError : there are none, or one is damaged.
        """
        source = find_source(config)
        found = cls(config, source.columns, np.empty(0, dtype=np.int32), source.files)
        eras = found._sources(lambda numbers: np.ones(len(numbers), dtype=bool)).plan.eras
        return cls(config, source.columns, eras, source.files)

    def read(
        self,
        eras: Sequence[int],
        *,
        features: Sequence[str],
        dtype: str,
        targets: Sequence[str],
        say: Callable[[str], None],
    ) -> EraFrame:
        """Read eras that are there, with all their rows, labelled or not.

        Parameters
        ----------
        eras : some of `eras`, at least one. features, dtype : as of `load_unlabelled`.
        targets : names of targets, as the section names them.
        say : called with every sentence the user must see.

        Raises
        ------
        DataError : whatever is wrong with files, columns, rows or values.
        """
        wanted = np.asarray(eras, dtype=np.int32)
        sources = self._sources(lambda numbers: np.isin(numbers, wanted))
        beside = Beside.of(self.config)
        columns = [self.columns.targets.get(name, name) for name in targets]
        for head in sources.heads:
            keys = [id_column(head.schema, self.columns.id), *columns, *beside.columns]
            need_columns(head.schema, head.path, [*keys, *features])
        plan, files, where = sources.plan, sources.files, sources.where
        ids = read_ids(files, plan, self.columns.id)
        check_unique(slices(ids), len(ids), where)
        matrix, encoding = read_features(files, plan, features)
        more = read_beside(files, plan, beside)
        check_entities(more.entity, plan.eras, plan.offsets, where)
        frame = EraFrame(
            features=as_trained(matrix, encoding, dtype, files, features, where),
            eras=plan.eras,
            offsets=plan.offsets,
            ids=ids,
            targets=read_targets(files, plan, columns),
            feature_names=tuple(features),
            target_names=tuple(targets),
            entity=more.entity,
            side=more.side,
        )
        # which features have too many missing values was decided over the rows of training
        policy = self.config.missing.model_copy(update={"max_feature_missing": None})
        return apply_missing(frame, policy, None, say)[0]

    def _sources(self, wanted: EraFilter) -> Sources:
        names, step, offset = self.columns, self.config.eras.step, self.config.eras.offset

        def kept(numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
            return np.asarray(((numbers - 1) % step == offset) & wanted(numbers))

        kinds = names.keep_data_types
        rule = RowFilter(names.era_column, names.id, names.data_type, kinds, kept, None)
        return Sources(read_heads(self.files), rule)
