"""What a person looks at: tables in the terminal, and `report.html`, `tune.html`, `monitor.html`.

Both read what a run directory holds and compute nothing that a score depends on.
"""

from numerai_lab.report.board import refresh_board, write_board
from numerai_lab.report.comparison_page import write_comparison
from numerai_lab.report.data_page import data_lines, write_data_page
from numerai_lab.report.explain_page import render_explanation, write_explanation_page
from numerai_lab.report.figures import size
from numerai_lab.report.matrix import render_matrix
from numerai_lab.report.monitor import write_monitor
from numerai_lab.report.page import write_report
from numerai_lab.report.portfolio import render_portfolio
from numerai_lab.report.pretrain_page import write_pretraining
from numerai_lab.report.prices_page import prices_lines, write_prices_page
from numerai_lab.report.run_list import render_runs
from numerai_lab.report.terminal import (
    render_comparison,
    render_extra,
    render_plan,
    render_scores,
    render_seeds,
    render_test,
    to_text,
)
from numerai_lab.report.terminal_curve import can_write_dots, curve_lines
from numerai_lab.report.tournament_tables import render_diagnostics, render_status
from numerai_lab.report.tuning_page import render_tuning, write_tuning

__all__ = [
    "can_write_dots",
    "curve_lines",
    "data_lines",
    "prices_lines",
    "refresh_board",
    "render_comparison",
    "render_diagnostics",
    "render_explanation",
    "render_extra",
    "render_matrix",
    "render_plan",
    "render_portfolio",
    "render_runs",
    "render_scores",
    "render_seeds",
    "render_status",
    "render_test",
    "render_tuning",
    "size",
    "to_text",
    "write_board",
    "write_comparison",
    "write_data_page",
    "write_explanation_page",
    "write_monitor",
    "write_pretraining",
    "write_prices_page",
    "write_report",
    "write_tuning",
]
