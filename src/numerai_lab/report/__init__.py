"""What a person looks at: tables in the terminal, and `report.html` of a run.

Both read what a run directory holds and compute nothing that a score depends on.
"""

from numerai_lab.report.page import write_report
from numerai_lab.report.terminal import (
    render_comparison,
    render_plan,
    render_runs,
    render_scores,
    to_text,
)

__all__ = [
    "render_comparison",
    "render_plan",
    "render_runs",
    "render_scores",
    "to_text",
    "write_report",
]
