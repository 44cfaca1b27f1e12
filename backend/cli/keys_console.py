"""The output of `assay keys`: tables, or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from rich.table import Column, Table
from rich.text import Text

from backend.api_keys import ApiKey, format_time
from backend.cli.console import messages, output, printable
from backend.schemas.usage import DAYS
from workers.storage.usage import Day


def print_new_key(key: ApiKey, secret: str, *, as_json: bool) -> None:
    """Print a new key on standard output, for scripts, and the rest on standard error."""
    if as_json:
        _print_json({**_facts(key), "key": secret})
        return
    print(secret, flush=True)
    until = f" It expires on {format_time(key.expires_at)}." if key.expires_at is not None else ""
    messages().print(
        f"The key {key.id} for {printable(key.name)}. Keep it: it is shown only once.{until}",
        markup=False,
    )


def print_keys(keys: Sequence[tuple[ApiKey, Sequence[Day]]], *, as_json: bool) -> None:
    """Print keys and their use, as a table or a JSON array."""
    if as_json:
        _print_json([{**_facts(key), "usage": _summary(days)} for key, days in keys])
        return
    columns = ("id", "name", "state", "made", "expires", "limits", "last used")
    counts = ("today", f"{DAYS} days")
    table = Table(
        *(Column(name, no_wrap=name not in ("name", "limits")) for name in columns),
        *(Column(name, justify="right", no_wrap=True) for name in counts),
        box=None,
    )
    for key, days in keys:
        used = _summary(days)
        table.add_row(
            key.id,
            Text(printable(key.name)),
            key.state,
            _local_day(key.created_at),
            "never" if key.expires_at is None else _local_day(key.expires_at),
            _limits(key),
            str(used["last_used"] or "never"),
            f"{used['today']:,}",
            f"{used['last_30_days']:,}",
        )
    _print_table(table if keys else "There are no keys; `assay keys create NAME` makes one.")


def print_usage(key: ApiKey, days: Sequence[Day], *, as_json: bool) -> None:
    """Print the use of a key by day, as a table or a JSON object."""
    if as_json:
        each = [
            {"day": day.day.isoformat(), "requests": day.requests, "urls": day.urls} for day in days
        ]
        _print_json({**_facts(key), "days": each})
        return
    table = Table("day", *(Column(c, justify="right") for c in ("requests", "URLs")), box=None)
    used = [day for day in days if day.requests]
    for day in used:
        table.add_row(day.day.isoformat(), f"{day.requests:,}", f"{day.urls:,}")
    _print_table(table if used else f"The key was not used in {DAYS} days.")


def _facts(key: ApiKey) -> dict[str, object]:
    """Return what is public about a key."""
    return {
        "id": key.id,
        "name": key.name,
        "state": key.state,
        "created_at": format_time(key.created_at),
        "expires_at": None if key.expires_at is None else format_time(key.expires_at),
        "per_minute": key.per_minute,
        "per_day": key.per_day,
    }


def _summary(days: Sequence[Day]) -> dict[str, object]:
    """Return a key's URLs today and in all days, and the last day of its use."""
    last = next((day.day.isoformat() for day in days if day.requests), None)
    return {"today": days[0].urls, "last_30_days": sum(day.urls for day in days), "last_used": last}


def _limits(key: ApiKey) -> str:
    limits = (("minute", key.per_minute), ("day", key.per_day))
    return ", ".join(f"{n:,}/{name}" for name, n in limits if n) or "the service's"


def _local_day(unix: float) -> str:
    return datetime.fromtimestamp(unix).astimezone().strftime("%Y-%m-%d")


def _print_table(table: Table | str) -> None:
    console = output()
    if not console.is_terminal:  # its width is only a guess
        console.width = max(console.width, 160)
    console.print(table)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2), flush=True)
