"""An exported model checked, and put together with the runtimes that let it predict."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.errors import ModelError, did_you_mean
from numerai_lab.models.contract import Exported
from numerai_lab.models.exports.kinds import KINDS
from numerai_lab.models.exports.runtimes import Runtimes

EXPORT_TOLERANCE = 1e-6
"""The most by which an exported model may predict otherwise than the model itself."""
_NODE = "numerai_lab.models.exports.runtime"


@dataclass(frozen=True, eq=False)
class Assembled:
    """An exported model that predicts with nothing of this package.

    Attributes
    ----------
    node : JSON values that say what each model in it is; see `runtime.predict_node`.
    arrays : of all models, by `number/name`.
    kinds : kind -> its `predict`, compiled anew; only kinds that occur.
    """

    node: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]
    kinds: dict[str, Callable[..., Any]]

    def predict(
        self, features: npt.NDArray[Any], era: dict[str, Any] | None = None
    ) -> npt.NDArray[Any]:
        """Predict the rows of one era, float [n_rows], from [n_rows, n_features].

        `era` is for models that ask for more than features (`asks`).
        """
        predict_node = Runtimes()[_NODE]["predict_node"]
        values: npt.NDArray[Any] = predict_node(features, self.node, self.arrays, self.kinds, era)
        return values

    @property
    def asks(self) -> tuple[str, ...]:
        """What models in it are told of an era: "number", "ids", "entity", "side:COLUMN"."""
        return tuple(dict.fromkeys(_asked(self.node)))


def assemble_exported(
    exported: Exported, feature_names: Sequence[str], dtype: str, runtimes: Runtimes | None = None
) -> Assembled:
    """Check an exported model and put it together with the runtimes of its kinds.

    Parameters
    ----------
    feature_names, dtype : of the features that it will be given, in this order.
    runtimes : those compiled for the bundle that it goes into.

    Raises
    ------
    ModelError : a kind is not known, its runtime cannot go into a bundle, a model takes features
        that it is not given or of another type, or its values are not plain.
    """
    runtimes = runtimes or Runtimes()
    arrays: dict[str, npt.NDArray[Any]] = {}
    modules: dict[str, str] = {}
    count = 0

    def node(part: Exported, given: Sequence[str], dtype: str) -> dict[str, Any]:
        nonlocal count
        number, count = count, count + 1
        what = f"the exported '{part.kind}' numbered {number}"
        module = _runtime_of(part)
        if modules.setdefault(part.kind, module) != module:
            raise _wrong(f"{what} has the runtime {module}, another one {modules[part.kind]}")
        columns = _columns(part, given, dtype, what)
        for name, array in part.arrays.items():
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
                raise _wrong(f"array '{name}' of {what} is not a NumPy array of numbers")
            arrays[f"{number}/{name}"] = array
        return {
            "number": number,
            "kind": part.kind,
            "settings": _plain(part.settings, what),
            "columns": columns,
            "asks": list(part.asks),
            "parts": [
                node(one, part.hands_on or part.feature_names, part.dtype) for one in part.parts
            ],
        }

    whole = node(exported, feature_names, dtype)
    kinds = {kind: _predict_of(runtimes, module) for kind, module in modules.items()}
    return Assembled(whole, arrays, kinds)


def _asked(node: dict[str, Any]) -> list[str]:
    return [*node["asks"], *(ask for part in node["parts"] for ask in _asked(part))]


def _runtime_of(exported: Exported) -> str:
    if exported.kind not in KINDS and exported.runtime:
        return exported.runtime
    if exported.kind not in KINDS:
        hint = did_you_mean(exported.kind, KINDS)
        raise _wrong(f"there is no kind '{exported.kind}'{hint} (kinds: {', '.join(KINDS)})")
    if exported.runtime not in ("", KINDS[exported.kind]):
        raise _wrong(
            f"kind '{exported.kind}' is {KINDS[exported.kind]}: an own kind needs another name"
        )
    return KINDS[exported.kind]


def _predict_of(runtimes: Runtimes, module: str) -> Callable[..., Any]:
    predict: Callable[..., Any] | None = runtimes[module].get("predict")
    if not callable(predict):
        raise _wrong(f"the runtime {module} has no function predict")
    return predict


def _columns(part: Exported, given: Sequence[str], dtype: str, what: str) -> list[int] | None:
    """Return the places of a part's features among those given; None: the same in this order."""
    if part.dtype != dtype:
        raise _wrong(f"{what} takes {part.dtype} features, it is given {dtype}")
    names = part.feature_names
    if len(set(names)) != len(names):
        raise _wrong(f"{what} names a feature twice")
    place = {name: i for i, name in enumerate(given)}
    absent = [name for name in names if name not in place]
    if absent:
        raise _wrong(
            f"{what} takes {len(absent)} features that it is not given: {', '.join(absent[:3])}"
        )
    return None if tuple(given) == names else [place[name] for name in names]


def _plain(settings: dict[str, Any], what: str) -> dict[str, Any]:
    """Return settings as JSON reads them: no value brings a class of some library along."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(settings))
    except (TypeError, ValueError):
        plain = {}
    if plain != settings:
        raise _wrong(f"the settings of {what} are not JSON values")
    return plain


def _wrong(how: str) -> ModelError:
    return ModelError(
        how,
        where="the model's export()",
        fix="mend the model, or submit its predictions with `numerai-lab submit`",
    )
