"""The commands of who runs a service: `assay keys …` and `assay feedback …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.commands import FAILED, fail, read_settings

if TYPE_CHECKING:  # imported when it is needed, as in `backend.cli`
    from backend.keys import KeyStore

LONGEST_NAME = 100
"""Characters in the name of an API key."""

keys_app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")
feedback_app = typer.Typer(no_args_is_help=True, help="What people say of verdicts.")


@keys_app.command("create")
def create_key(
    name: Annotated[
        str, typer.Argument(show_default=False, help="Whose it is, or what it is for.")
    ],
    per_minute: Annotated[
        int | None,
        typer.Option(min=1, help="URLs a minute; else the service's limit.", show_default=False),
    ] = None,
    per_day: Annotated[
        int | None,
        typer.Option(min=1, help="URLs a day; else the service's limit.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make an API key, and show it this once."""
    from backend.console import print_new_key

    if not 1 <= len(name) <= LONGEST_NAME:
        raise typer.BadParameter(f"a name has 1 to {LONGEST_NAME} characters")
    key, secret = _key_store().create(name, per_minute=per_minute, per_day=per_day)
    print_new_key(key, secret, as_json=as_json)


@keys_app.command("list")
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """List the API keys that are valid."""
    from backend.console import print_keys

    print_keys(_key_store().list(), as_json=as_json)


@keys_app.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
) -> None:
    """Make an API key invalid, at once and for good."""
    if not _key_store().revoke(key_id):
        fail(f"there is no key {key_id}; `assay keys list` shows all", FAILED)
    print(f"The key {key_id} is not valid any more.")


def _key_store() -> KeyStore:
    from backend.keys import KeyStore
    from backend.stack import find_store

    settings = read_settings()
    url = find_store(settings)
    return KeyStore.open(settings.model_copy(update={"redis_url": url}))


# Feedback


@feedback_app.command("export")
def export_feedback(
    folder: Annotated[
        Path,
        typer.Argument(
            show_default=False, help="Gets the images, and manifest.csv, a list of them."
        ),
    ],
) -> None:
    """Fetch the images of which people know what they are, and list them for training.

    What the verdict was stands beside what people say. Images that are gone, or have changed, are
    left out, each with the reason; so are those of which people disagree.
    """
    from backend.console import messages, printable
    from backend.export import export
    from backend.stack import find_store
    from workers.feedback import FeedbackStore
    from workers.fetch.client import Fetcher

    settings = read_settings()
    store = FeedbackStore.open(settings.model_copy(update={"redis_url": find_store(settings)}))
    fetcher = Fetcher(settings.fetch_allow_nets)
    show = messages()

    def left_out(sentence: str) -> None:
        show.print(f"left out: {printable(sentence)}", style="yellow", markup=False)

    count = export(store.all(), folder, fetcher, left_out)
    show.print(f"images in {folder / 'manifest.csv'}: {count:,}", markup=False)
