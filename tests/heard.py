"""A listener that keeps what it is told."""

from __future__ import annotations

from lookalike.core.progress import Phase


class Heard:
    """The titles of phases as they began and ended, and the lines that were said."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []
        self.ended: list[Phase] = []
        self.lines: list[str] = []

    @property
    def begun(self) -> list[str]:
        """Titles of the phases that have begun, in their order."""
        return [phase.title for phase in self.phases]

    @property
    def said(self) -> str:
        """All lines."""
        return "\n".join(self.lines)

    def begin(self, phase: Phase) -> None:
        self.phases.append(phase)

    def end(self, phase: Phase) -> None:
        self.ended.append(phase)

    def line(self, text: str, passing: bool) -> None:
        self.lines.append(text)
