"""Sentences that a model tells about its fit."""

from __future__ import annotations

from numerai_lab.models.contract.context import FitContext


class Said:
    """Sentences about a fit, for `FitReport.notes`; some are said at once."""

    def __init__(self, ctx: FitContext) -> None:
        self.notes: list[str] = []
        self._say = ctx.say

    def note(self, sentence: str) -> None:
        """Keep a sentence for the report."""
        self.notes.append(sentence)

    def aloud(self, sentence: str) -> None:
        """Keep it, and say it at once: a fall-back, something left out."""
        self.note(sentence)
        self._say(sentence)
