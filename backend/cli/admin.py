"""The admin commands: `assay keys …` and `assay feedback …`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.commands import FAILED, MISUSED, fail, read_settings

if TYPE_CHECKING:  # the commands import what they need
    from backend.api_keys import ApiKey, KeyStore
    from workers.storage.usage import UsageStore

keys_app = typer.Typer(
    no_args_is_help=True, help="Create, list and revoke API keys, and show their use."
)
feedback_app = typer.Typer(no_args_is_help=True, help="Feedback on verdicts.")


@keys_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(show_default=False, help="Who or what the key is for.")],
    per_minute: Annotated[
        int | None,
        typer.Option(
            min=1, help="URLs a minute. Default: the service's limit.", show_default=False
        ),
    ] = None,
    per_day: Annotated[
        int | None,
        typer.Option(min=1, help="URLs per day. Default: the service's limit.", show_default=False),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="A time from now, such as `90d` or `12h`, or the last day (UTC): `2027-01-31`.",
            show_default="never",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Create an API key. It is shown only once."""
    from backend.api_keys import MAX_NAME
    from backend.cli.expiry import parse_expiry
    from backend.cli.keys_console import print_new_key

    if not (1 <= len(name.strip()) <= MAX_NAME and name.isprintable()):
        raise typer.BadParameter(f"a name has 1 to {MAX_NAME} printable characters")
    try:
        expires_at = None if expires is None else parse_expiry(expires, datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--expires") from error
    keys, _ = _stores()
    for other in keys.named(name):
        if other.state == "valid":
            fail(
                f"the name of key {other.id}, {other.name}, is taken: choose another name, "
                "or revoke that key first",
                MISUSED,
            )
    key, secret = keys.create(name, per_minute=per_minute, per_day=per_day, expires_at=expires_at)
    print_new_key(key, secret, as_json=as_json)


@keys_app.command("list")
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """List the API keys, with expired ones, and their recent use."""
    from backend.cli.keys_console import print_keys

    keys, usage = _stores()
    print_keys([(key, usage.days(key.id)) for key in keys.list()], as_json=as_json)


@keys_app.command("usage")
def key_usage(
    key: Annotated[str, typer.Argument(metavar="NAME_OR_ID", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the use of an API key on each of the last 30 days (UTC)."""
    from backend.cli.keys_console import print_usage

    keys, usage = _stores()
    found = _one(keys, key)
    print_usage(found, usage.days(found.id), as_json=as_json)


@keys_app.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(metavar="NAME_OR_ID", show_default=False)],
) -> None:
    """Revoke an API key, at once and for good."""
    keys, _ = _stores()
    found = _one(keys, key)
    keys.revoke(found.id)
    print(f"The key {found.id}, {found.name}, is revoked.")


def _stores() -> tuple[KeyStore, UsageStore]:
    from backend.api_keys import KeyStore
    from backend.embedded_valkey import find_store
    from workers.storage.connection import connect
    from workers.storage.usage import UsageStore

    redis = connect(find_store(read_settings()))
    return KeyStore(redis), UsageStore(redis)


def _one(keys: KeyStore, name_or_id: str) -> ApiKey:
    """Return the key with this name or id, or fail with a sentence."""
    found = keys.named(name_or_id)
    if not found:
        fail(f"there is no key {name_or_id}; `assay keys list` shows all", FAILED)
    if len(found) > 1:
        ids = ", ".join(key.id for key in found)
        fail(f"several keys are named {name_or_id}; use an id: {ids}", FAILED)
    return found[0]


# Feedback


@feedback_app.command("export")
def export_feedback(
    folder: Annotated[
        Path,
        typer.Argument(show_default=False, help="For the images, and their list, manifest.csv."),
    ],
) -> None:
    """Download the images that have feedback, and list them for training.

    The list has the verdict beside the feedback. Images that are gone or have changed, and images
    with contradictory feedback, are left out, each with the reason.
    """
    from backend.cli.console import messages, printable
    from backend.embedded_valkey import find_store
    from backend.feedback_export import export
    from workers.fetching.client import Fetcher
    from workers.storage.connection import connect
    from workers.storage.feedback import FeedbackStore

    settings = read_settings()
    store = FeedbackStore(connect(find_store(settings)))
    fetcher = Fetcher(settings.fetch_allow_nets)
    show = messages()

    def left_out(sentence: str) -> None:
        show.print(f"left out: {printable(sentence)}", style="yellow", markup=False)

    count = export(store.all(), folder, fetcher, left_out)
    show.print(f"images in {folder / 'manifest.csv'}: {count:,}", markup=False)
