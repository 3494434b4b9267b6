"""One binned LightGBM Dataset of the training rows, on which a whole ensemble or forest trains."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from numerai_lab.eraframe import MISSING_INT8, EraFrame, FeatureArray, Features
from numerai_lab.errors import MachineError
from numerai_lab.models.contract import Float32, Shape, World
from numerai_lab.models.trees.lightgbm_rows.distributed import sample_of_all
from numerai_lab.models.trees.lightgbm_rows.errors import library_errors
from numerai_lab.models.trees.lightgbm_rows.kept import damage_of_kept, forget, keep, save_binned
from numerai_lab.models.trees.lightgbm_rows.packed import (
    MOST_VALUES,
    PackedLayout,
    learn_layout,
)
from numerai_lab.models.trees.values import distinct_values, reference_rows

Taken = tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]
"""Values, and which feature takes which, as `distinct_values` returns them."""

_BATCH_BYTES = 4 << 20
# LightGBM bins so many values itself in the time that learning its file's layout takes.
SMALL = 8 << 20
BINNING = frozenset(
    {"bin_construct_sample_cnt", "data_random_seed", "enable_bundle", "is_enable_sparse"}
    | {"feature_pre_filter", "max_bin", "max_bin_by_feature", "min_data_in_bin"}
    | {"use_missing", "zero_as_missing"}
)
"""LightGBM parameters that shape the binned rows, which all that train on them share."""


def as_float(features: FeatureArray) -> Float32:
    """Return features as LightGBM wants them: float32, NaN where missing.

    int8 rows are copied piece by piece only. LightGBM knows missing values as NaN and learns
    for each split on which side they go.
    """
    if features.dtype == np.float32:
        return np.ascontiguousarray(features)
    result = features.astype(np.float32)
    missing = features == MISSING_INT8
    if missing.any():
        result[missing] = np.nan
    return result


def binning_bytes(shape: Shape) -> int:
    """Return the bytes that training on binned rows takes at its peak, at least.

    LightGBM takes a byte a value while it bins and half of one after that, when the rows of one
    member, or of one tree of a forest, are copied (measured, see benchmarks/RESULTS.md).
    """
    return int(1.1 * shape.n_rows * shape.n_features) + (350 << 20)


class _Rows(lightgbm.Sequence):  # type: ignore[misc]  # LightGBM is untyped
    """int8 rows that become float32 batch by batch, never as a whole."""

    def __init__(self, features: Features) -> None:
        self.features = features
        self.batch_size = max(1, _BATCH_BYTES // (4 * features.shape[1]))

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: Any) -> npt.NDArray[np.floating[Any]]:
        rows = as_float(self.features[index])
        # LightGBM reads single rows only to find its own bins, and wants them as float64.
        return rows if rows.ndim == 2 else rows.astype(np.float64)


class BinnedRows:
    """Training rows binned once, lent to one member after another.

    Each value of an int8 feature is given its own bin through a reference of a few rows: the
    same trees as LightGBM grows on its own bins, without its sample of float64 values.
    Features constant over the training rows are left out by LightGBM itself.

    Parameters
    ----------
    train : rows to bin.
    weights : float32 [n_rows] or None.
    params : LightGBM parameters by first names; those of `BINNING` apply.
    world : workers that hold the other rows, to be binned alike; None: these are all rows.
    """

    def __init__(
        self,
        train: EraFrame,
        weights: Float32 | None,
        params: dict[str, Any],
        world: World | None = None,
    ) -> None:
        world = world or World()
        self._weights = weights
        self.notes: list[str] = []
        own = {key: value for key, value in params.items() if key in BINNING}
        self.params = {
            # Members with larger leaves must be able to use all bins of the one Dataset.
            "feature_pre_filter": False,
            "verbosity": -1,
            "num_threads": params["num_threads"],
            **own,
        }
        with library_errors():
            if train.features.dtype == np.int8:
                values, present = distinct_values(train.features, world)
                self.n_constant = int(np.count_nonzero(present.sum(axis=0) == 1))
                known = None
                if not own:
                    # LightGBM keeps a bin for 0 whether it is there or not.
                    n_bins = len(np.union1d(values, [0]))
                    self.params |= {"min_data_in_bin": 1, "max_bin": max(2, n_bins)}
                    known = as_float(reference_rows(values, present))
                elif world.size > 1:
                    known = as_float(sample_of_all(train, world))
                taken = None if own or len(values) > MOST_VALUES else (values, present)
                self._all = self._int8_rows(train.features, known, taken)
            else:
                data = train.features_in_memory()
                ends = np.array(world.from_all((data.min(axis=0), data.max(axis=0))))
                low, high = ends[:, 0].min(axis=0), ends[:, 1].max(axis=0)
                self.n_constant = int(np.count_nonzero(low == high))
                known = None if world.size == 1 else as_float(sample_of_all(train, world))
                self._all = self._dataset(data, known)
            self._all.set_weight(weights)

    def _int8_rows(self, features: Features, known: Float32 | None, taken: Taken | None) -> Any:
        """Bin int8 rows, or take them from disk as they were binned before.

        Binned rows are written to LightGBM's own file and loaded from it. Beside stored
        features the file is kept, named after what they are and how they are binned.

        Parameters
        ----------
        known : rows to take the bins from, or None.
        taken : which values the features take, if their bins can be packed.
        """
        if isinstance(features, np.ndarray):
            return self._rows_in_memory(features, known, taken)
        how = {name: value for name, value in self.params.items() if name != "num_threads"}
        binning = hashlib.sha256(repr((lightgbm.__version__, sorted(how.items()))).encode())
        if known is not None:
            binning.update(known.tobytes())
        path = features.folder / f"{features.identity}-{binning.hexdigest()[:8]}.lightgbm"
        with suppress(FileNotFoundError):  # none are kept yet
            damage = damage_of_kept(path, features)
            if damage is None:
                return self._load(path)
            self.notes.append(f"the binned rows {path} are damaged ({damage}): made again")
            forget(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(path.parent).free < features.size:  # twice what 4 bits a value take
            self.notes.append(
                f"{shutil.disk_usage(path.parent).free / 2**30:.1f} GiB of disk are free: the "
                "binned rows are not kept, and the next experiment bins them again"
            )
            return self._dataset(_Rows(features), known)
        return self._kept_rows(path, features, known, taken)

    def _rows_in_memory(
        self, features: FeatureArray, known: Float32 | None, taken: Taken | None
    ) -> Any:
        """Bin rows by way of a file that is gone afterwards, where that is worth it."""
        if taken is not None and features.size >= SMALL:
            try:
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder, "rows.lightgbm")
                    layout = self._layout(path.parent, known, taken)
                    if layout is not None:
                        layout.write(path, features, self.params["num_threads"])
                        return self._load(path)
            except OSError as error:
                self.notes.append(
                    f"the temporary folder takes no binned rows ({error.strerror or error}): "
                    "LightGBM bins them itself, which takes longer"
                )
        return self._dataset(_Rows(features), known)

    def _kept_rows(
        self, path: Path, features: Features, known: Float32 | None, taken: Taken | None
    ) -> Any:
        """Bin rows and keep them in a file, which training can do without."""
        rows = None
        try:
            with keep(path) as part:
                layout = None if taken is None else self._layout(path.parent, known, taken)
                if layout is None:
                    rows = self._dataset(_Rows(features), known)
                    save_binned(rows, part)
                else:
                    layout.write(part, features, self.params["num_threads"])
        except MachineError as error:
            self.notes.append(f"the binned rows cannot be kept in {path.parent}: {error.what}")
        if rows is None:
            rows = self._load(path) if path.exists() else self._dataset(_Rows(features), known)
        return rows

    def _layout(self, folder: Path, known: Float32 | None, taken: Taken) -> PackedLayout | None:
        """Learn how LightGBM writes rows of these features; that it cannot be told is said."""
        layout = learn_layout(*taken, lambda rows: self._dataset(as_float(rows), known), folder)
        if layout is None:
            self.notes.append(
                f"LightGBM {lightgbm.__version__} keeps binned rows in a form that is not known "
                "here: it bins them itself, which takes longer"
            )
        return layout

    def _load(self, path: Path) -> Any:
        return lightgbm.Dataset(path, params=self.params).construct()

    def _dataset(self, data: Any, known: Float32 | None) -> Any:
        reference = None
        if known is not None:
            label = np.zeros(len(known), np.float32)
            reference = lightgbm.Dataset(known, label=label, params=self.params)
        label = np.zeros(len(data), np.float32)
        return lightgbm.Dataset(
            data, label=label, reference=reference, params=self.params
        ).construct()

    def lend(
        self,
        label: Float32,
        rows: npt.NDArray[np.int32] | None,
        weights: Float32 | None = None,
    ) -> Any:
        """Return a Dataset with these labels, valid until the next call.

        Parameters
        ----------
        label : float32 [n_rows] of all training rows; only those of `rows` are used.
        rows : int32, increasing row numbers to train on, or None for all.
        weights : float32, one for each row that is trained on; default: those given at first.
        """
        with library_errors():
            if rows is None:
                if weights is not None:
                    self._all.set_weight(weights)
                return self._all.set_label(np.ascontiguousarray(label))
            part = self._all.subset([])
            part.used_indices = rows  # given to subset(), they would be sorted as Python integers
            part.construct()
            part.set_label(label[rows])
            if weights is None and self._weights is not None:
                weights = self._weights[rows]
            if weights is not None:
                part.set_weight(weights)
            return part

    def judged(self, frame: EraFrame, label: Float32) -> Any:
        """Return a Dataset of rows that members are judged on while they grow."""
        data = _Rows(frame.features) if frame.features.dtype == np.int8 else frame.features
        with library_errors():
            return lightgbm.Dataset(
                data,
                label=np.ascontiguousarray(label),
                reference=self._all,
                params=self.params,
            ).construct()
