"""How the reports write what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def interval(found: Sequence[float | None]) -> str:
    """Write a value and its interval, or a dash where there was nothing to measure."""
    value, *limits = found
    if value is None:
        return "–"
    known = [f"{limit:z.2f}" for limit in limits if limit is not None]
    return f"{value:z.3f}" + (f" [{', '.join(known)}]" if known else "")


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"
