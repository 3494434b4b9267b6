"""The executor that uses Dask: whole fits or rows of one fit on workers, and what workers do."""

from numerai_lab.experiment.cluster.executor import Cluster, open_cluster
from numerai_lab.experiment.cluster.fits import predict_together

__all__ = ["Cluster", "open_cluster", "predict_together"]
