"""Output for people and programs: on a terminal, in a pipe, and as JSON."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task
from rich.table import Column
from rich.text import Text

from backend.cli.output import Tally
from backend.client import LimitedError, UnreachableError
from backend.schemas.scans import ScanLine
from models.sentences import DECISIONS, error_rate
from models.verdict import CheckItem, Label, Verdict

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_UNTIL_A_RATE = 1.0
"""Results come in groups, so a rate over less time means nothing."""

# Outcome: (words, style). The browser extension uses the same words.
_OUTCOMES = {
    "ai": ("likely AI", "red"),
    "uncertain": ("uncertain", "yellow"),
    "real": ("no sign of AI", "green"),
    "failed": ("failed", "magenta"),
}
_LEANS = {"ai": ", leans AI", "none": "", "real": ", leans not AI"}


def output() -> Console:
    """Return standard output."""
    return Console(highlight=False, soft_wrap=True)


def messages() -> Console:
    """Return standard error, for everything that is not a result."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


# Items


def item_printer(*, as_json: bool) -> Callable[[CheckItem], None]:
    """Return a function that prints an item on standard output.

    Args:
        as_json: print one compact JSON object a line. Otherwise print some lines of words on a
            terminal, and one line with tabs between its fields in a pipe.
    """
    console = output()
    rated: set[Label] = set()

    def print_json(item: CheckItem) -> None:
        print(item.model_dump_json(exclude_none=True), flush=True)

    def print_plain(item: CheckItem) -> None:
        print(_plain(item), flush=True)

    def print_words(item: CheckItem) -> None:
        console.print(_words(item, rated))

    if as_json:
        return print_json
    return print_words if console.is_terminal else print_plain


def _plain(item: CheckItem) -> str:
    """Return label, probability and URL; or ``failed``, code, URL and reason."""
    if item.verdict is not None:
        fields = [item.verdict.label.value, f"{item.verdict.probability:.4f}", item.url]
    elif item.error is not None:
        fields = [item.status, item.error.code, item.url, item.error.detail]
    else:
        fields = [item.status, "", item.url]
    return "\t".join(printable(field) for field in fields)


def _words(item: CheckItem, rated: set[Label]) -> Text:
    """Return an item in words. The error rate of a label is told once, and added to `rated`."""
    text = Text()
    text.append(f"{printable(item.url)}\n", style="bold")
    if isinstance(item, ScanLine) and item.page and item.place:
        text.append(f"  on {printable(item.page)}: {printable(item.place)}\n", style="dim")
    if item.verdict is not None:
        _append_verdict(text, item.verdict, rated)
    elif item.error is not None:
        text.append("  cannot be checked", style="bold magenta")
        text.append(f": {printable(item.error.detail)}")
        text.append(f"  ({printable(item.error.code)})\n", style="dim")
    else:
        text.append("  is still being checked; ask again later\n", style="yellow")
    return text


def _append_verdict(text: Text, verdict: Verdict, rated: set[Label]) -> None:
    words, style = _OUTCOMES[verdict.label]
    if verdict.label is Label.UNCERTAIN:
        words += _LEANS[verdict.lean]
    text.append(f"  {words}", style=f"bold {style}")
    percent = percentage(verdict.probability)
    plain = verdict.label is Label.AI and verdict.pixels is None
    text.append(f" {percent}\n" if plain else f" (AI {percent})\n" if not verdict.pixels else "\n")
    if decision := DECISIONS.get(verdict.decided_by):
        text.append(f"  {decision}\n")
    if verdict.pixels is not None:
        pixels, _ = _OUTCOMES[verdict.pixels]
        text.append(f"  the pixels alone: {pixels} (AI {percent})\n")
    if len(verdict.members) > 1:
        scores = " · ".join(f"{name} {percentage(p)}" for name, p in verdict.members.items())
        text.append(f"  {printable(scores)}\n")
    for fact in verdict.evidence:
        trust = "" if fact.trusted else " (not verified)"
        text.append(f"  {fact.kind} says {fact.says}: {printable(fact.detail)}{trust}\n")
    for other in verdict.similar:
        before = f"{_OUTCOMES[other.label][0]}, AI {percentage(other.probability)}"
        text.append(f"  a similar image was judged on {other.checked_at:%Y-%m-%d}: {before}\n")
    image = verdict.image
    known = " · from the cache" if verdict.cached else ""
    text.append(
        f"  {image.width:,} × {image.height:,} {image.format.upper()}"
        f" · model {printable(verdict.model_version)}{known}\n",
        style="dim",
    )
    if verdict.label not in rated and (rate := error_rate(verdict)):
        rated.add(verdict.label)
        text.append(f"  {rate}\n", style="dim")


def percentage(probability: float) -> str:
    """Write a probability for people. Only certainty is 0 or 100 %."""
    if 0 < probability < 0.01:
        return "<1 %"
    if 0.99 < probability < 1:
        return ">99 %"
    return f"{probability:.0%}".replace("%", " %")


def printable(text: str) -> str:
    """Replace control characters. The text may come from an untrusted image."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


# Scans


class ScanProgress:
    """The progress of a scan on standard error: a bar on a terminal, else a line now and then.

    Args:
        tally: the counts, with results of earlier runs. The caller updates them.
        left: images without a result.
        shown: whether to show anything.
    """

    def __init__(self, tally: Tally, *, left: int, shown: bool = True) -> None:
        self._tally = tally
        self._known = tally.outcomes.total()
        self._total = self._known + left
        self._console = messages()
        self._shown = shown
        self._started_at = self._printed_at = time.monotonic()
        self._waits_until, self._waits_for = 0.0, ""
        self._bar = Progress(
            BarColumn(bar_width=None),
            MofNCompleteColumn(table_column=_on_one_line()),
            _Outcomes(tally),
            _Pace(self._pace),
            console=self._console,
            expand=True,  # the bar fills the rest of the line
            transient=True,
            disable=not (shown and self._console.is_terminal),
        )
        self._task = self._bar.add_task("scan", total=self._total, completed=self._known)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self) -> None:
        """Show that one more result was counted."""
        self._bar.advance(self._task)
        self._print_line(_SECONDS_BETWEEN_LINES)

    def expect(self, total: int) -> None:
        """Take a new total, with the results of earlier runs. That of a scan of pages grows."""
        self._total = total
        self._bar.update(self._task, total=total)

    def wait(self, reason: UnreachableError, seconds: float) -> None:
        """Show that the scan waits for a quota or the server. Any thread may call this."""
        self._waits_for = "quota" if isinstance(reason, LimitedError) else "server"
        self._waits_until = time.monotonic() + seconds
        self._print_line(0)

    def _print_line(self, interval: float) -> None:
        now = time.monotonic()
        if self._shown and self._bar.disable and now - self._printed_at > interval:
            self._printed_at = now
            self._console.print(self._line())

    def _line(self) -> str:
        done = self._tally.outcomes.total()
        parts = (f"{done:,} of {self._total:,}", str(outcomes(self._tally)), self._pace())
        return " · ".join(filter(None, parts))

    def _pace(self) -> str:
        """Return the rate of this run and the time that is left, or what the scan waits for."""
        now = time.monotonic()
        if now < self._waits_until:
            return f"waiting {duration(self._waits_until - now)} for the {self._waits_for}"
        seconds = now - self._started_at
        done = self._tally.outcomes.total()
        checked = done - self._known
        if not checked or seconds < _SECONDS_UNTIL_A_RATE:
            return ""
        left = (self._total - done) * seconds / checked
        return f"{checked / seconds:,.1f}/s · {duration(left)} left"


def _on_one_line() -> Column:
    return Column(no_wrap=True)


class _Outcomes(ProgressColumn):
    """The live counts."""

    def __init__(self, tally: Tally) -> None:
        super().__init__(_on_one_line())
        self._tally = tally

    def render(self, task: Task) -> Text:  # noqa: ARG002
        return outcomes(self._tally)


class _Pace(ProgressColumn):
    """The rate, and the time that is left."""

    max_refresh = 0.5

    def __init__(self, pace: Callable[[], str]) -> None:
        super().__init__(_on_one_line())
        self._pace = pace

    def render(self, task: Task) -> Text:  # noqa: ARG002
        return Text(self._pace())


def duration(seconds: float) -> str:
    """Write a duration for people: ``h:mm:ss``, after days if there are any."""
    return str(timedelta(seconds=math.ceil(seconds)))


def outcomes(tally: Tally) -> Text:
    """Return the counts in words."""
    parts = [
        Text(f"{tally.outcomes[outcome]:,} {words}", style=style)
        for outcome, (words, style) in _OUTCOMES.items()
    ]
    return Text(" · ").join(parts)


def counted(number: int, noun: str) -> str:
    """Write a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def print_summary(
    tally: Tally, *, checked: int, seconds: float, path: str, thing: str = "image"
) -> None:
    """Print the summary of a scan on standard error.

    Args:
        tally: counts of all results in the output.
        checked: results that this run added.
        seconds: how long it took.
        path: the output.
        thing: what a result is about.
    """
    console = messages()
    total = tally.outcomes.total()
    console.print(Text.assemble(f"{counted(total, thing)}: ", outcomes(tally)))
    if tally.errors:
        failed = ", ".join(f"{count:,} {code}" for code, count in tally.errors.most_common())
        console.print(f"  failed: {printable(failed)}", markup=False)
    rate = f", {checked / seconds:,.1f}/s" if checked and seconds > _SECONDS_UNTIL_A_RATE else ""
    earlier = f"; {total - checked:,} in earlier runs" if checked < total else ""
    console.print(f"  {checked:,} checked in {seconds:.1f} s{rate}{earlier}")
    console.print(f"  results: {printable(path)}", markup=False)
