"""What a run's model looks at: contributions of features over eras, permutation, single rows.

It computes from a finished run's model and the rows that its fold judged, and keeps what it found
in the run; `report` shows it.
"""

from numerai_lab.explain.asked import ExplainOptions, expectations
from numerai_lab.explain.explanation import Explained, explain

__all__ = ["ExplainOptions", "Explained", "expectations", "explain"]
