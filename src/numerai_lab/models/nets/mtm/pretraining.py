"""Pretraining on rows without labels: rebuild what a mask hides. Its weights are an artefact."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from numerai_lab.eraframe import EraFrame
from numerai_lab.models.contract import FitContext, Said
from numerai_lab.models.nets.batches import Batch, EraBatches
from numerai_lab.models.nets.checkpoints import Checkpoint
from numerai_lab.models.nets.device import precision_of
from numerai_lab.models.nets.kept import Arrays, read_arrays, write_arrays
from numerai_lab.models.nets.loop import Course, train
from numerai_lab.models.nets.mtm.groups import Group
from numerai_lab.models.nets.mtm.masks import draw, schedule
from numerai_lab.models.nets.mtm.module import MaskedNet
from numerai_lab.models.nets.mtm.params import MTMParams
from numerai_lab.models.nets.mtm.reconstruction import errors_by_group, held_out_eras, in_words
from numerai_lab.models.nets.processes import Processes
from numerai_lab.seeds import child_seed

_FILE = "weights.npz"
_HEAD = "head."
_IN_KEY = (
    "width", "hidden", "layers", "heads", "era_layers", "points", "dropout", "masks",
    "hidden_share", "auto_weights", "pretrain_epochs", "pretrain_rate", "pretrain_warm_up",
    "weight_decay", "ema", "eras_per_batch", "rows_per_era", "accumulate", "precision",
)  # fmt: skip
"""Parameters that pretrained weights depend on."""


def pretrained(
    new_net: Callable[[], MaskedNet],
    rows: EraFrame,
    groups: Sequence[Group],
    n_targets: int,
    params: MTMParams,
    ctx: FitContext,
    said: Said,
    device: torch.device,
) -> tuple[Arrays, dict[str, Any]]:
    """Return pretrained weights by name, but for the head's, and what is told of how they came.

    They are made once for the same rows, groups and parameters, and found again, where the run
    keeps artefacts and no other process trains the same net.

    Parameters
    ----------
    rows : without targets. new_net : makes one with random weights, torch's seed being set.
    """

    def made() -> tuple[Arrays, dict[str, Any]]:
        return _pretrain(new_net, rows.without_targets(), groups, params, ctx, device)

    if ctx.artefacts is None or Processes().size > 1:
        arrays, facts = made()
    else:
        dumped = params.model_dump(mode="json")
        key = {name: dumped[name] for name in _IN_KEY}
        key |= {"groups": [group["columns"] for group in groups], "n_targets": n_targets}
        key |= {"device": device.type, "torch": torch.__version__}
        earlier = ctx.artefacts.made_before("mtm", key) if params.reuse_earlier else None

        def build(folder: Path) -> None:
            write_arrays(folder / _FILE, *made())

        blind = rows.without_targets()
        kept = earlier or ctx.artefacts.make("mtm", key, build, rows=blind)
        arrays, facts = read_arrays(kept.path / _FILE)
    pace = f", {facts['rows_per_second']:,.0f} rows a second" if facts["rows_per_second"] else ""
    said.note(
        f"pretrained on {facts['rows']:,} rows of eras {facts['first']}-{facts['last']} with masks "
        f"{params.masks}, {params.pretrain_epochs} epochs{pace}"
    )
    said.note(in_words(facts["groups"]))
    return arrays, facts


def _pretrain(
    new_net: Callable[[], MaskedNet],
    rows: EraFrame,
    groups: Sequence[Group],
    params: MTMParams,
    ctx: FitContext,
    device: torch.device,
) -> tuple[Arrays, dict[str, Any]]:
    left_out = held_out_eras(rows.eras)
    learnt = rows.select_eras(np.setdiff1d(rows.eras, left_out)) if len(left_out) else rows
    seeds = {use: child_seed(ctx.seed, "mtm", "pretraining", use) for use in ("net", "order", "s")}
    torch.manual_seed(seeds["net"])
    net = new_net().to(device)
    quiet = Said(replace(ctx, say=lambda _: None))
    course = Course(
        epochs=params.pretrain_epochs,
        rate=params.pretrain_rate,
        decay=params.weight_decay,
        ema=params.ema,
        precision=precision_of(params.precision, device, quiet),
        seed=seeds["s"],
        accumulate=params.accumulate,
        warm_up=params.pretrain_warm_up,
    )
    batches = EraBatches(
        learnt,
        None,
        None,
        eras_per_batch=params.eras_per_batch,
        rows_per_era=None if params.rows_per_era == "all" else params.rows_per_era,
        seed=seeds["order"],
        device=device,
        processes=Processes(),
    )

    def loss(one: nn.Module, batch: Batch) -> Tensor:
        assert isinstance(one, MaskedNet)
        mask = draw(batch, one.n_groups, one.n_targets, params)
        return one.masked(batch, mask)[1]

    first, last = int(rows.eras[0]), int(rows.eras[-1])
    alone = Processes().size == 1 and ctx.unfinished is not None
    made_for = {
        "net": "mtm, pretraining",
        "parameters": params.model_dump_json(),
        "rows": rows.identity(),
        "groups": json.dumps(list(groups)),
        "version of torch": torch.__version__,
    }
    path = (
        ctx.unfinished / f"pretraining_{rows.n_rows}_{first}_{last}.npz"
        if alone and ctx.unfinished
        else None
    )
    curves = train(
        net,
        batches,
        loss,
        course,
        Checkpoint(path, made_for, ctx.say),
        Processes(),
        pace=lambda words: ctx.pace(f"pretraining: {words}"),
    )
    judged = rows.select_eras(left_out) if len(left_out) else learnt
    facts = {
        "rows": learnt.n_rows,
        "first": first,
        "last": last,
        "rows_per_second": curves.rows_per_second or None,
        "loss": curves.loss,
        "held_out": [int(era) for era in left_out],
        "groups": errors_by_group(net, groups, learnt, judged),
        "masks": schedule(params, len(groups)),
    }
    weights = net.state_dict().items()
    arrays = {name: w.cpu().numpy() for name, w in weights if not name.startswith(_HEAD)}
    return arrays, facts


def begin_with(net: nn.Module, arrays: Arrays) -> None:
    """Give a net pretrained weights; its head keeps its own."""
    net.load_state_dict({k: torch.from_numpy(v) for k, v in arrays.items()}, strict=False)
