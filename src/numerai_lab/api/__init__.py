"""numerai_lab from Python: what the commands do, as functions; see docs/python.md.

What is exported here is stable: it changes with a note in CHANGELOG.md, and a sentence that says
what took its place. Sentences go to stderr, progress only where it is asked for.
"""

from numerai_lab.api.combining import blend, neutralize
from numerai_lab.api.loading import LoadedFrame, load
from numerai_lab.api.runs import FittedModel, Run
from numerai_lab.api.scoring import Scores, compare, score
from numerai_lab.api.training import train

__all__ = [
    "FittedModel",
    "LoadedFrame",
    "Run",
    "Scores",
    "blend",
    "compare",
    "load",
    "neutralize",
    "score",
    "train",
]
