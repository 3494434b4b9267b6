"""Whether an experiment fits into memory, told before training begins instead of hours later."""

from __future__ import annotations

from numerai_lab.errors import UserError
from numerai_lab.experiment.executor import Executor
from numerai_lab.experiment.plan import Prepared
from numerai_lab.experiment.planned_fit import fit_shape
from numerai_lab.machine import as_size
from numerai_lab.models import SizedModel


def check_memory(prepared: Prepared, executor: Executor) -> None:
    """Check the largest fold's training against the memory that there is where it is fitted.

    Raises
    ------
    UserError : it cannot fit into memory of host or device, with the numbers and the ways out.
    """
    model = prepared.model_class(prepared.params)
    if not isinstance(model, SizedModel):
        return
    frame = prepared.dataset.frame
    rows = dict(zip(frame.eras.tolist(), (frame.offsets[1:] - frame.offsets[:-1]), strict=True))
    largest = max(prepared.plan.folds, key=lambda fold: sum(rows[e] for e in fold.train.tolist()))
    n_rows = int(sum(rows[era] for era in largest.train.tolist()))
    free = executor.free_memory()
    in_parts = prepared.info.in_parts
    if in_parts:
        n_rows = -(-n_rows // free.n_parts)
    shape = fit_shape(prepared, n_rows)
    need = model.memory_needed(shape)
    ways = [
        "fewer features (data.feature_set)",
        "every 4th era (split.train_step: 4)",
        "a part of the rows (data.rows: {share: 0.25})",
        *model.ways_to_take_less(),
        *([free.more_parts] if in_parts and free.more_parts else []),
    ]
    if free.host is not None and need.host > free.host:
        takes = f"{as_size(need.host)} at least; {as_size(free.host)} are available{free.limits}"
        ways += [free.more_host] if free.more_host else []
    elif need.device and (on_device := free.device()) is not None and need.device > on_device:
        takes = f"{as_size(need.device)} of the GPU at least; {as_size(on_device)} of it are free"
    else:
        return
    added = f" and {need.columns:,} columns added to them" if need.columns else ""
    raise UserError(
        f"fold {largest.index} {free.who}trains on {shape.n_rows:,} rows x {frame.n_features:,} "
        f"features{added}, which takes {takes}",
        where=prepared.experiment.name,
        fix=f"choose {', '.join(ways[:-1])} or {ways[-1]}",
    )
