"""A pretrained net on disk: an artefact with weights, config, and what it was made from.

FOLDER/{weights.npz, settings.json, manifest.json}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from numerai_lab.errors import ModelError
from numerai_lab.models.contract import read_artefact, seal_artefact
from numerai_lab.models.nets.in_context.module import InContextNet, Size, new_net
from numerai_lab.models.nets.kept import read_arrays, write_arrays

VERSION = 1
"""Of the form of the folder, and of what weights mean."""
NAME = "icl"
_WEIGHTS = "weights.npz"
_SETTINGS = "settings.json"


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
    told = read_artefact(folder)
    if told["name"] != NAME:
        raise ModelError(f"is an artefact of '{told['name']}', not of '{NAME}'", where=str(folder))
    if told["version"] > VERSION:
        raise ModelError(
            f"the checkpoint has form {told['version']}, and this version reads up to {VERSION}",
            where=str(folder),
            fix="install a newer numerai_lab, or pretrain with this one",
        )
    arrays, kept = read_arrays(folder / _WEIGHTS)
    net = new_net(Size(**kept["size"]))
    net.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return Pretrained(net.eval(), told)


def shipped_checkpoint() -> Path:
    """Return the folder of the checkpoint that comes with this package."""
    return Path(__file__).parent / "shipped"
