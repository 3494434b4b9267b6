"""The executor that uses Dask: whole fits or rows of one fit on workers, and what workers do."""

from numerai_lab.experiment.cluster.executor import ClusterExecutor
from numerai_lab.experiment.cluster.workers import Cluster, open_cluster

__all__ = ["Cluster", "ClusterExecutor", "open_cluster"]
