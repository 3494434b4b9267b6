"""Whether an experiment fits into memory, told before the first tree instead of hours later."""

from __future__ import annotations

from numerai_lab.errors import UserError
from numerai_lab.experiment.cluster import Cluster
from numerai_lab.experiment.plan import Prepared
from numerai_lab.machine import available_bytes, gib, memory_limits
from numerai_lab.models import SizedModel


def check_memory(prepared: Prepared, cluster: Cluster | None = None) -> None:
    """Check the largest fold's training against the memory that is available, here or there.

    Raises
    ------
    UserError : it cannot fit, with the numbers and the ways out.
    """
    model = prepared.model_class(prepared.params)
    available = available_bytes() if cluster is None else cluster.memory
    if available is None or not isinstance(model, SizedModel):
        return
    frame = prepared.dataset.frame
    rows = dict(zip(frame.eras.tolist(), (frame.offsets[1:] - frame.offsets[:-1]), strict=True))
    largest = max(prepared.plan.folds, key=lambda fold: sum(rows[e] for e in fold.train.tolist()))
    n_rows = int(sum(rows[era] for era in largest.train.tolist()))
    in_parts = prepared.info.in_parts
    if cluster is not None and in_parts:
        n_rows = -(-n_rows // len(cluster.workers))
    need = model.memory_needed(n_rows, frame.n_features)
    if need <= available:
        return
    ways = [
        "fewer features (data.feature_set)",
        "every 4th era (split.train_step: 4)",
        *model.ways_to_take_less(),
    ]
    if in_parts:
        ways.append("more workers" if cluster else "more machines (--cluster tcp://HOST:8786)")
    who = "on each worker " if cluster else ""
    limits = memory_limits() if cluster is None else ""
    raise UserError(
        f"fold {largest.index} {who}trains on {n_rows:,} rows x {frame.n_features:,} features, "
        f"which takes {gib(need)} at least; {gib(available)} are available{limits}",
        where=prepared.experiment.name,
        fix=f"choose {', '.join(ways[:-1])} or {ways[-1]}",
    )
