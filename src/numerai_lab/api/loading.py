"""`load`: labelled rows as an EraFrame that knows where it comes from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numerai_lab.config import Data, data_section
from numerai_lab.data import Dataset, load_data
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import UserError
from numerai_lab.experiment import Reporter, read_experiment

Source = str | os.PathLike[str]
"""A folder in Numerai's layout, a data profile's name, or an experiment's YAML file."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedFrame(EraFrame):
    """Rows from `load`, and any part of them (`between`, `select_eras`, `take`, ...).

    Attributes
    ----------
    dataset : what was loaded: files with their hashes, feature sets, horizons, what was counted.
        `score` finds benchmark and meta models by it.
    section : the data section that was loaded, which `train(config, data=frame)` takes over.
    """

    dataset: Dataset = field(kw_only=True)
    section: Data = field(kw_only=True)


def load(
    source: Source,
    *,
    data: Source | None = None,
    feature_set: str | None = None,
    features: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    labelled: bool = True,
    progress: bool = False,
) -> LoadedFrame:
    """Read rows as an experiment would: sorted by era, int8 from disk, one array.

    Parameters
    ----------
    source : an experiment's YAML file, whose `data:` section counts; or a folder in Numerai's
        layout, or the name of a data profile ("synthetic").
    data : with an experiment: other rows than it names, as --data of the commands.
    feature_set : a set of features.json. features : names, instead of a set.
    targets : the main one first.
    overrides : with an experiment: dotted keys and values, as --set of the commands.
    labelled : leave out rows without the main target.
    progress : tell what is read on stderr, not only what must be known.

    Raises
    ------
    ConfigError, DataError, MachineError : as the commands, in one sentence.

    Examples
    --------
    >>> frame = load("data/v5.3", feature_set="medium")  # doctest: +SKIP
    >>> frame.between(500, 574).to_pandas()  # doctest: +SKIP
    """
    changes = {"feature_set": feature_set, "features": features, "targets": targets}
    given = {key: list(v) if not isinstance(v, str) else v for key, v in changes.items() if v}
    section = section_of(source, data, overrides).model_copy(update=given)
    if feature_set is not None and features is None:
        section = section.model_copy(update={"features": None})
    with Reporter(quiet=not progress) as reporter:
        dataset = load_data(section, say=reporter.say, require_label=labelled)
        if dataset.notice:
            reporter.warn(dataset.notice)
    return of_dataset(dataset, section)


def section_of(
    source: Source, data: Source | None = None, overrides: Mapping[str, Any] | None = None
) -> Data:
    """Return the data section that a source stands for; see `load`."""
    named = os.fspath(source)
    over = None if data is None else os.fspath(data)
    if Path(named).suffix in (".yaml", ".yml"):
        return read_experiment(named, over, as_settings(overrides)).experiment.data
    if overrides:
        raise UserError("go with an experiment's YAML file", where="overrides")
    section = data_section(Data(), named)
    return section if over is None else data_section(section, over)


def as_settings(overrides: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Write dotted keys and values as --set takes them. Raises UserError for what is no JSON."""
    try:
        return tuple(f"{key}={json.dumps(value)}" for key, value in (overrides or {}).items())
    except TypeError as error:
        raise UserError(
            f"a value cannot be written to a config ({error})", where="overrides"
        ) from None


def of_dataset(dataset: Dataset, section: Data) -> LoadedFrame:
    """Return the rows of a dataset as a frame that knows it, and what it was loaded by."""
    frame = dataset.frame
    return LoadedFrame(
        features=frame.features,
        eras=frame.eras,
        offsets=frame.offsets,
        ids=frame.ids,
        targets=frame.targets,
        feature_names=frame.feature_names,
        target_names=frame.target_names,
        entity=frame.entity,
        side=frame.side,
        dataset=dataset,
        section=section,
    )
