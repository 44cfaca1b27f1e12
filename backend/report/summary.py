"""The summary of a report: counts of its images, in all and by page."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from backend.report.marks import KINDS, says_ai
from backend.schemas.scans import ScanLine
from backend.web.words import WORDS, state_of
from models.verdict import CheckItem, Verdict

STATES: tuple[str, ...] = ("ai", "uncertain", "real", "unavailable", "checking")
"""What an image of a report can be, in the order of the report."""
MOST_PAGES = 100
"""Pages in the summary; the table of all images names the page of each."""


@dataclass
class Summary:
    """Counts of images.

    Attributes:
        states: images by what they are, see `STATES`.
        pages: the same for each page, if they were found on pages.
        marks: images of which a mark of this kind says AI, by kind.
        marked: images with any such mark, by their label.
        model_versions: the versions of the models that judged.
        checked: when the first and the last verdict was made.
    """

    states: Counter[str] = field(default_factory=Counter)
    pages: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    marks: Counter[str] = field(default_factory=Counter)
    marked: Counter[str] = field(default_factory=Counter)
    model_versions: set[str] = field(default_factory=set)
    checked: tuple[datetime, datetime] | None = None

    @classmethod
    def of(cls, items: Iterable[CheckItem]) -> Summary:
        """Count the images."""
        summary = cls()
        for item in items:
            summary._add(item)
        return summary

    @property
    def total(self) -> int:
        """All images."""
        return self.states.total()

    def labels(self) -> list[tuple[str, str, int]]:
        """Return each state that occurs, its name and its count."""
        names = WORDS["states"]
        return [(each, names[each], self.states[each]) for each in STATES if self.states[each]]

    def first_pages(self) -> list[tuple[str, Counter[str]]]:
        """Return the pages with most images that are likely AI, `MOST_PAGES` at most."""
        pages = sorted(self.pages.items(), key=lambda each: (-each[1]["ai"], -each[1].total()))
        return pages[:MOST_PAGES]

    def _add(self, item: CheckItem) -> None:
        state = state_of(item)
        self.states[state] += 1
        if isinstance(item, ScanLine) and item.page:
            self.pages[item.page][state] += 1
        if item.verdict is not None:
            self._add_verdict(item.verdict)

    def _add_verdict(self, verdict: Verdict) -> None:
        self.model_versions.add(verdict.model_version)
        at = verdict.checked_at
        first, last = self.checked or (at, at)
        self.checked = min(first, at), max(last, at)
        for kind in KINDS:
            self.marks[kind] += any(
                fact.kind == kind and fact.says == "ai" for fact in verdict.evidence
            )
        self.marked[verdict.label] += says_ai(verdict.evidence)
