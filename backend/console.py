"""What people and programs read: on a terminal, in a pipe, and as JSON. Decided here alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from backend.keys import ApiKey
from backend.results import Tally
from models.verdict import CheckItem, Label, Verdict

_SECONDS_BETWEEN_LINES = 10.0

_LIMITS = ("URLs a minute", "URLs a day")

# Label: (words, style)
_LABELS = {
    Label.AI: ("likely AI-made", "bold red"),
    Label.UNCERTAIN: ("uncertain", "bold yellow"),
    Label.REAL: ("no sign of AI", "bold green"),
}
_OUTCOME_STYLES = {"ai": "red", "uncertain": "yellow", "real": "green", "failed": "magenta"}


def output() -> Console:
    """Return standard output."""
    return Console(highlight=False, soft_wrap=True)


def messages() -> Console:
    """Return standard error, for all that is not a result."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


# Items


def item_printer(*, as_json: bool) -> Callable[[CheckItem], None]:
    """Return what prints an item to standard output in the fitting form.

    Args:
        as_json: one compact JSON object a line. Else a few lines of words on a terminal, and one
            line with tabs between its fields in a pipe.
    """
    console = output()

    def print_json(item: CheckItem) -> None:
        print(item.model_dump_json(exclude_none=True), flush=True)

    def print_plain(item: CheckItem) -> None:
        print(_plain(item), flush=True)

    def print_words(item: CheckItem) -> None:
        console.print(_words(item))

    if as_json:
        return print_json
    return print_words if console.is_terminal else print_plain


def _plain(item: CheckItem) -> str:
    """Give label, probability and URL, or ``failed``, code, URL and reason."""
    if item.verdict is not None:
        fields = [item.verdict.label.value, f"{item.verdict.probability:.4f}", item.url]
    elif item.error is not None:
        fields = [item.status, item.error.code, item.url, item.error.detail]
    else:
        fields = [item.status, "", item.url]
    return "\t".join(printable(field) for field in fields)


def _words(item: CheckItem) -> Text:
    text = Text()
    text.append(f"{printable(item.url)}\n", style="bold")
    if item.verdict is not None:
        _append_verdict(text, item.verdict)
    elif item.error is not None:
        text.append("  cannot be judged", style="bold magenta")
        text.append(f": {printable(item.error.detail)}")
        text.append(f"  ({printable(item.error.code)})\n", style="dim")
    else:
        text.append("  is still being judged; ask again later\n", style="yellow")
    return text


def _append_verdict(text: Text, verdict: Verdict) -> None:
    words, style = _LABELS[verdict.label]
    text.append(f"  {words}", style=style)
    percent = percentage(verdict.probability)
    text.append(f" {percent}\n" if verdict.label is Label.AI else f" (AI {percent})\n")
    scores = " · ".join(f"{name} {percentage(p)}" for name, p in verdict.members.items())
    text.append(f"  {printable(scores)}\n")
    for fact in verdict.evidence:
        trust = "" if fact.trusted else " (nobody vouches for it)"
        text.append(f"  {fact.kind} says {fact.says}: {printable(fact.detail)}{trust}\n")
    image = verdict.image
    known = " · known before" if verdict.cached else ""
    text.append(
        f"  {image.width:,} × {image.height:,} {image.format.upper()}"
        f" · model {printable(verdict.model_version)}{known}\n",
        style="dim",
    )


def percentage(probability: float) -> str:
    """Write a probability for people; only certainty is 0 or 100 %."""
    if 0 < probability < 0.01:
        return "<1 %"
    if 0.99 < probability < 1:
        return ">99 %"
    return f"{probability:.0%}".replace("%", " %")


def printable(text: str) -> str:
    """Disarm what could steer a terminal: the text may come from a stranger's image."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


# Scans


class ScanProgress:
    """The progress of a scan on standard error: a bar on a terminal, else a line now and then.

    Args:
        tally: the counts, kept up by who scans; results of earlier runs are in it.
        left: images that have no result yet.
    """

    def __init__(self, tally: Tally, *, left: int) -> None:
        self._tally = tally
        self._known = tally.outcomes.total()
        self._total = self._known + left
        self._console = messages()
        self._started_at = self._told_at = time.monotonic()
        self._bar = Progress(
            BarColumn(bar_width=None),
            MofNCompleteColumn(table_column=_on_one_line()),
            _Outcomes(tally),
            _Rate(_on_one_line()),
            TimeRemainingColumn(elapsed_when_finished=True, table_column=_on_one_line()),
            console=self._console,
            expand=True,  # the bar takes the room that the words leave
            transient=True,
            disable=not self._console.is_terminal,
            speed_estimate_period=60,
        )
        self._task = self._bar.add_task("scan", total=self._total, completed=self._known)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self) -> None:
        """Tell that one more result was counted."""
        self._bar.advance(self._task)
        now = time.monotonic()
        if self._bar.disable and now - self._told_at > _SECONDS_BETWEEN_LINES:
            self._told_at = now
            self._console.print(self._line(now))

    def _line(self, now: float) -> str:
        done = self._tally.outcomes.total()
        rate = (done - self._known) / (now - self._started_at)
        left = (self._total - done) / rate
        counts = outcomes(self._tally)
        return f"{done:,} of {self._total:,} · {counts} · {rate:.1f}/s · {left:.0f} s left"


def _on_one_line() -> Column:
    return Column(no_wrap=True)


class _Outcomes(ProgressColumn):
    """The live counts."""

    def __init__(self, tally: Tally) -> None:
        super().__init__(_on_one_line())
        self._tally = tally

    def render(self, task: Task) -> Text:  # noqa: ARG002
        return outcomes(self._tally)


class _Rate(ProgressColumn):
    """Images a second, of late."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f}/s")


def outcomes(tally: Tally) -> Text:
    """Return the counts in words."""
    parts = [
        Text(f"{tally.outcomes[outcome]:,} {outcome}", style=style)
        for outcome, style in _OUTCOME_STYLES.items()
    ]
    return Text(" · ").join(parts)


def print_summary(tally: Tally, *, judged: int, seconds: float, path: str) -> None:
    """Print on standard error what a scan found.

    Args:
        tally: counts of all results in the output.
        judged: results that this run added.
        seconds: how long it took.
        path: the output.
    """
    console = messages()
    total = tally.outcomes.total()
    console.print(Text.assemble(f"{total:,} images: ", outcomes(tally)))
    if tally.errors:
        failed = ", ".join(f"{count:,} {code}" for code, count in tally.errors.most_common())
        console.print(f"  failed: {printable(failed)}", markup=False)
    rate = f", {judged / seconds:.1f}/s" if judged and seconds else ""
    earlier = f"; {total - judged:,} in earlier runs" if judged < total else ""
    console.print(f"  {judged:,} judged in {seconds:.1f} s{rate}{earlier}")
    console.print(f"  results: {printable(path)}", markup=False)


# Keys


def print_new_key(key: ApiKey, secret: str, *, as_json: bool) -> None:
    """Print a new key to standard output, so that a script can take it, and the rest beside it."""
    if as_json:
        print(json.dumps({**_facts(key), "key": secret}), flush=True)
        return
    print(secret, flush=True)
    messages().print(
        f"The key {key.id} for {printable(key.name)}. Keep it: it is shown this once only.",
        markup=False,
    )


def print_keys(keys: Sequence[ApiKey], *, as_json: bool) -> None:
    """Print what is kept of keys: as a table, or as one JSON object a line."""
    if as_json:
        for key in keys:
            print(json.dumps(_facts(key)), flush=True)
        return
    table = Table("id", "name", "made", *(Column(c, justify="right") for c in _LIMITS), box=None)
    for key in keys:
        made = datetime.fromtimestamp(key.created_at).astimezone().strftime("%Y-%m-%d %H:%M")
        limits = (f"{n:,}" if n else "as the service's" for n in (key.per_minute, key.per_day))
        table.add_row(key.id, Text(printable(key.name)), made, *limits)
    output().print(table if keys else "There are no keys; `assay keys create NAME` makes one.")


def _facts(key: ApiKey) -> dict[str, object]:
    """Return what may be told of a key."""
    return key.model_dump(exclude={"sha256"})
