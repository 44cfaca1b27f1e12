"""Formats numbers and tables for the reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def interval(found: Sequence[float | None]) -> str:
    """Format a value and its interval, or a dash if the value is undefined."""
    value, *limits = found
    if value is None:
        return "–"
    known = [f"{limit:z.2f}" for limit in limits if limit is not None]
    return f"{value:z.3f}" + (f" [{', '.join(known)}]" if known else "")


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Format a Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"
