"""The small tournament and the small experiment that most tests use."""

from numerai_lab.config import Synthetic

SMALL = Synthetic(n_eras=60, rows_per_era=60, n_features=12, n_regimes=2, seed=1)


TINY_CONFIG = """\
name: tiny
data: {{source: numerai, dir: "{folder}"}}
split: {{type: walk_forward, first_train_eras: 30, chunk_eras: 10, purge_eras: 4}}
scoring: {{bootstrap: {{samples: 200}}}}
threads: 1
model:
  type: xgb
  params: {{num_boost_round: 8, max_depth: 2, eta: 0.1}}
"""
