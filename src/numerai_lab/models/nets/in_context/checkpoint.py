"""A pretrained net on disk: an artefact with weights, config, and what it was made from.

FOLDER/{weights.npz, settings.json, manifest.json}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from numerai_lab.errors import ModelError, in_one_line
from numerai_lab.models.contract import read_artefact, seal_artefact
from numerai_lab.models.nets.in_context.module import InContextNet, Size, new_net
from numerai_lab.models.nets.in_context.settings import PretrainSettings
from numerai_lab.models.nets.kept import read_arrays, write_arrays

VERSION = 1
"""Of the form of the folder, and of what weights mean."""
NAME = "icl"
_WEIGHTS = "weights.npz"
_SETTINGS = "settings.json"
_TOLD = {"settings", "classes", "title", "tasks", "steps", "version"}


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A pretrained net.

    Attributes
    ----------
    net : in evaluation mode, on the CPU.
    facts : of its manifest: classes, steps, tasks, held-out errors, the last eras it saw, sha256.
    """

    net: InContextNet
    facts: Mapping[str, Any]


def write_checkpoint(
    folder: Path, net: InContextNet, settings: Mapping[str, Any], facts: Mapping[str, Any]
) -> None:
    """Write a net into an empty folder, the manifest last.

    Parameters
    ----------
    settings : the config, as JSON values. facts : JSON values; `features_to` and `labels_to` among
        them where it saw rows.
    """
    arrays = {name: weight.cpu().numpy() for name, weight in net.state_dict().items()}
    write_arrays(folder / _WEIGHTS, arrays, {"size": asdict(net.size)})
    (folder / _SETTINGS).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    seen = {"features_to": None, "labels_to": None}
    seal_artefact(folder, {"name": NAME, "version": VERSION, **seen, **facts})


def read_checkpoint(folder: Path) -> Pretrained:
    """Read a net that `numerai-lab pretrain` wrote.

    Raises
    ------
    ModelError : it is none, damaged, or from a newer version.
    """
    if not folder.exists():
        raise ModelError(
            "there is no such checkpoint",
            where=str(folder),
            fix="name the folder `checkpoint` that `numerai-lab pretrain` wrote, or leave "
            "`checkpoint` out for the one that comes with this package",
        )
    if (folder / "checkpoint" / _WEIGHTS).exists() and not (folder / _WEIGHTS).exists():
        raise ModelError(
            "is the folder of a pretraining, and the checkpoint lies within it",
            where=str(folder),
            fix=f"name {folder / 'checkpoint'}",
        )
    another = "name another folder that `numerai-lab pretrain` wrote, or pretrain anew"
    if folder == shipped_checkpoint():
        another = "install numerai_lab again"
    if not folder.is_dir():
        raise ModelError("is a file, and a checkpoint is a folder", where=str(folder), fix=another)
    try:
        told = read_artefact(folder)
    except ModelError as error:
        raise ModelError(error.what, where=error.where, fix=another) from None
    if told["name"] != NAME:
        raise ModelError(
            f"is an artefact of '{told['name']}', not of '{NAME}'", where=str(folder), fix=another
        )
    if missing := sorted(_TOLD - told.keys()):
        raise ModelError(
            f"manifest.json lacks {', '.join(missing)}", where=str(folder), fix=another
        )
    if told["version"] > VERSION:
        raise ModelError(
            f"the checkpoint has form {told['version']}, and this version reads up to {VERSION}",
            where=str(folder),
            fix="install a newer numerai_lab, or pretrain with this one",
        )
    return Pretrained(_net_of(folder / _WEIGHTS), told)


def settings_of(facts: Mapping[str, Any]) -> PretrainSettings:
    """Return the config that a checkpoint's tasks are drawn by, with the classes that it chose.

    Raises
    ------
    ModelError : it has settings that this version does not know.
    """
    try:
        return PretrainSettings.model_validate(
            {**facts["settings"], "classes": facts["classes"], "rows": None}
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelError(
            "the checkpoint's config cannot be read by this version "
            f"({'.'.join(map(str, first['loc']))}: {first['msg']})",
            where="model.params.checkpoint",
            fix="install a newer numerai_lab, or pretrain with this one",
        ) from None


def _net_of(path: Path) -> InContextNet:
    """Read a net's weights; raises ModelError where they are not those of a net."""
    arrays, kept = read_arrays(path)
    try:
        net = new_net(Size(**kept["size"]))
        net.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"has no weights of an in-context net ({in_one_line(error)})",
            where=str(path),
            fix="name a checkpoint that `numerai-lab pretrain` wrote",
        ) from None
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ModelError(
            "has weights that are not finite", where=str(path), fix="pretrain the net again"
        )
    net.eval()
    return net


def shipped_checkpoint() -> Path:
    """Return the folder of the checkpoint that comes with this package."""
    return Path(__file__).parent / "shipped"
