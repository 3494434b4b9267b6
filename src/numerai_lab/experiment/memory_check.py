"""Whether an experiment fits into memory, told before training begins instead of hours later."""

from __future__ import annotations

from numerai_lab.errors import UserError
from numerai_lab.experiment.cluster import Cluster
from numerai_lab.experiment.plan import Prepared
from numerai_lab.experiment.planned_fit import fit_shape
from numerai_lab.machine import (
    as_size,
    available_bytes,
    bound_by_addresses,
    device_available_bytes,
    memory_limits,
)
from numerai_lab.models import SizedModel


def check_memory(prepared: Prepared, cluster: Cluster | None = None) -> None:
    """Check the largest fold's training against the memory that is available, here or there.

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
    in_parts = prepared.info.in_parts
    if cluster is not None and in_parts:
        n_rows = -(-n_rows // len(cluster.workers))
    need = model.memory_needed(fit_shape(prepared, n_rows))
    host = available_bytes() if cluster is None else cluster.memory
    by_addresses = False
    on_device = _device_bytes(cluster) if need.device else None
    if host is not None and need.host > host:
        limits = memory_limits() if cluster is None else ""
        by_addresses = cluster is None and bound_by_addresses()
        takes = f"{as_size(need.host)} at least; {as_size(host)} are available{limits}"
    elif on_device is not None and need.device > on_device:
        takes = f"{as_size(need.device)} of the GPU at least; {as_size(on_device)} of it are free"
    else:
        return
    ways = [
        "fewer features (data.feature_set)",
        "every 4th era (split.train_step: 4)",
        *model.ways_to_take_less(),
    ]
    if in_parts:
        ways.append("more workers" if cluster else "more machines (--cluster tcp://HOST:8786)")
    if by_addresses:
        ways.append("more addresses (ulimit -v unlimited)")
    who = "on each worker " if cluster else ""
    raise UserError(
        f"fold {largest.index} {who}trains on {n_rows:,} rows x {frame.n_features:,} features, "
        f"which takes {takes}",
        where=prepared.experiment.name,
        fix=f"choose {', '.join(ways[:-1])} or {ways[-1]}",
    )


def _device_bytes(cluster: Cluster | None) -> int | None:
    """Return what is free of the GPU that has least, here or among the workers'."""
    if cluster is None:
        return device_available_bytes()
    known = [free for free in cluster.on_all(device_available_bytes).values() if free is not None]
    return min(known, default=None)
