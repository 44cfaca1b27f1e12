"""The command line. Thin: each command calls what does the work, imported when it is needed.

Exit codes: 0 for success; 1 if an image could not be judged (check) or the work itself failed; 2 if
the command or a setting is wrong; 130 if a scan was interrupted.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:  # these take a second to import, and `assay --help` needs none of them
    from backend.client import Client
    from backend.keys import KeyStore
    from backend.results import ResultsFile
    from backend.sources import Source
    from models.verdict import CheckItem
    from settings import Settings

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
LONGEST_NAME = 100
"""Characters in the name of an API key."""


class QueueName(StrEnum):
    """The queues, as typer takes a list of choices."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Assay tells whether an image is likely AI-made.",
)
keys_app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")
app.add_typer(keys_app, name="keys")
feedback_app = typer.Typer(no_args_is_help=True, help="What people say of verdicts.")
app.add_typer(feedback_app, name="feedback")


def main() -> None:
    """Run the command line; failures that are told apart become a sentence and an exit code."""
    try:
        app()
    except Exception as error:
        if not isinstance(error, _foreseen()):
            raise
        _fail(str(error), FAILED)


def _foreseen() -> tuple[type[Exception], ...]:
    """Return the errors whose message is a sentence for people."""
    from backend.client import ServerError
    from backend.export import ExportError
    from backend.results import ResultsError
    from backend.scan import ScanError
    from backend.stack import StackError
    from models.manifest import WeightsError

    return ExportError, ResultsError, ScanError, ServerError, StackError, WeightsError


def _fail(sentence: str, code: int) -> NoReturn:
    from backend.console import messages

    messages().print(f"assay: {sentence}", style="red", markup=False)
    sys.exit(code)


def _settings(*, shared: bool = False) -> Settings:
    """Read the settings; those of a role that is run alone must name the Redis that all share."""
    from pydantic import ValidationError

    from settings import Settings, get_settings

    try:
        settings = get_settings()
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][0])
        about = Settings.model_fields[name].description
        _fail(
            f"ASSAY_{name.upper()} cannot be {fault['input']!r}: {fault['msg']}. {about}", MISUSED
        )
    if shared and settings.redis_url is None:
        _fail("set ASSAY_REDIS_URL to the Redis that all roles share, or use: assay serve", MISUSED)
    return settings


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"assay {version('assay')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Hold what belongs to no command."""


# The roles


@app.command()
def serve() -> None:
    """Start everything on this machine: store, worker and API. Ctrl-C stops it."""
    from backend.stack import serve

    settings = _settings()
    _stop_in_order()
    _warn_of_strangers(settings)
    _warn_of_eviction(settings)
    serve(settings)


@app.command()
def api() -> None:
    """Run the API alone, against the Redis that ASSAY_REDIS_URL names."""
    settings = _settings(shared=True)
    from backend.app import run_api

    _warn_of_strangers(settings)
    run_api(settings)


@app.command()
def worker(
    queue: Annotated[
        list[QueueName],
        typer.Option(
            help="Serve this queue only; can be given again. "
            "A worker of `interactive` alone is kept free for people who wait."
        ),
    ] = [*QueueName],  # noqa: B006 - typer needs a list, and nobody changes it
) -> None:
    """Run a worker alone, against the Redis that ASSAY_REDIS_URL names."""
    settings = _settings(shared=True)
    from workers.queue import QUEUES
    from workers.tasks import run_worker

    run_worker(settings, [name for name in QUEUES if name in queue])


@app.command()
def health() -> None:
    """Tell by the exit code whether a worker of this machine shows life, for who watches it."""
    settings = _settings(shared=True)
    from redis import RedisError

    from workers.store import Store

    try:
        workers = Store.open(settings, model_version="").live_workers()
    except RedisError:
        _fail("the store does not answer", FAILED)
    if gethostname() not in [worker.machine for worker in workers]:
        _fail("no worker of this machine has shown life just now", FAILED)


def _warn_of_eviction(settings: Settings) -> None:
    from redis import RedisError

    from backend.console import messages
    from workers.connect import connect, eviction_warning

    if settings.redis_url is None:
        return
    try:
        warning = eviction_warning(connect(settings.redis_url))
    except RedisError:
        return  # serving finds out, and says so
    if warning:
        messages().print(f"assay: {warning}", style="yellow", markup=False)


def _warn_of_strangers(settings: Settings) -> None:
    from backend.auth import exposure
    from backend.console import messages

    if warning := exposure(settings):
        messages().print(f"assay: {warning}", style="yellow", markup=False)


# Keys


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
        _fail(f"there is no key {key_id}; `assay keys list` shows all", FAILED)
    print(f"The key {key_id} is not valid any more.")


def _key_store() -> KeyStore:
    from backend.keys import KeyStore
    from backend.stack import find_store

    settings = _settings()
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

    settings = _settings()
    store = FeedbackStore.open(settings.model_copy(update={"redis_url": find_store(settings)}))
    fetcher = Fetcher(settings.fetch_allow_nets)
    show = messages()

    def left_out(sentence: str) -> None:
        show.print(f"left out: {printable(sentence)}", style="yellow", markup=False)

    count = export(store.all(), folder, fetcher, left_out)
    show.print(f"images in {folder / 'manifest.csv'}: {count:,}", markup=False)


# Checks


@app.command()
def check(
    targets: Annotated[list[str], typer.Argument(metavar="FILE_OR_URL", show_default=False)],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, in the order given.")
    ] = False,
) -> None:
    """Tell of each image whether it is likely AI-made.

    Files are judged in this process. URLs are asked of a running server if there is one, and else
    fetched and judged here. Exits with 1 if any image could not be judged.
    """
    from backend.console import item_printer

    for target in targets:
        if Path(target).is_dir():
            raise typer.BadParameter(f"{target} is a folder; judge it by: assay scan {target}")
    show = item_printer(as_json=as_json)
    failed = False
    for item in _check(targets, _settings()):
        show(item)
        failed |= item.status != "done"
    raise typer.Exit(FAILED if failed else 0)


def _check(targets: list[str], settings: Settings) -> Iterator[CheckItem]:
    """Judge files and URLs, in order."""
    from backend.client import Client, local_server
    from backend.lists import is_url
    from backend.local import LocalJudge

    judge = LocalJudge(settings)
    client = Client(local_server(settings.bind), key=settings.api_key)
    urls = [target for target in targets if is_url(target)]
    of_urls = client.judge(urls) if urls and client.is_alive() else judge.judge_urls(urls)
    for target in targets:
        yield next(of_urls) if is_url(target) else judge.judge_file(target)


# Scans


@app.command()
def scan(
    lists: Annotated[
        list[str],
        typer.Argument(
            metavar="LIST",
            show_default=False,
            help="A list of URLs or paths (text, CSV or JSON Lines; - for standard input), "
            "a folder of images, or an image.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Where results go: a .jsonl or a .csv file.")
    ] = Path("results.jsonl"),
    column: Annotated[
        str | None,
        typer.Option(help="The CSV column or JSON key that holds the URL.", show_default="url"),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The server that judges. Else the one on this machine, "
            "which is started for the scan if it does not run.",
        ),
    ] = None,
) -> None:
    """Judge many images, with one result a line.

    A scan that was stopped, in whatever way, goes on when the same command is given again: images
    that have a result are left out. An image that cannot be judged is a result too. Exits with 1
    only if the scan itself failed.
    """
    from backend.results import ResultsFile
    from backend.sources import SourceError, read_sources

    settings = _settings()
    try:
        sources = read_sources(lists, column)
    except SourceError as error:
        _fail(str(error), MISUSED)
    _stop_in_order()
    with ResultsFile(output) as results:
        try:
            _scan(sources, results, settings, server)
        except KeyboardInterrupt:
            left = sum(source.name not in results.known for source in sources)
            _fail(
                f"stopped; {left:,} of {len(sources):,} images are left. "
                "The same command goes on from here.",
                INTERRUPTED,
            )


def _stop_in_order() -> None:
    """However this process is told to stop, let it end what it started."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, signal.default_int_handler)


def _scan(
    sources: list[Source], results: ResultsFile, settings: Settings, server: str | None
) -> None:
    """Scan what has no result yet, and print the summary."""
    from backend.console import ScanProgress, print_summary
    from backend.scan import scan
    from backend.stack import end_leftovers

    if server is None:
        end_leftovers(settings)  # an earlier run of this scan may have been killed
    left = [source for source in sources if source.name not in results.known]
    seconds = 0.0
    if left:
        with _server(settings, server) as client:
            started_at = time.monotonic()
            with ScanProgress(results.tally, left=len(left)) as progress:
                for item in scan(left, client):
                    results.add(item)
                    progress.advance()
            results.sync()
            seconds = time.monotonic() - started_at
    print_summary(results.tally, judged=len(left), seconds=seconds, path=str(results.path))


@contextmanager
def _server(settings: Settings, given: str | None) -> Iterator[Client]:
    """Give the server that was named, or the one that runs here, or one for as long as needed."""
    from backend.client import Client, local_server
    from backend.console import messages
    from backend.scan import PATIENCE
    from backend.stack import Stack

    client = Client(
        given or local_server(settings.bind), key=settings.api_key, patience=PATIENCE
    )
    if given is not None or client.is_alive():
        yield client
        return
    messages().print("Starting a server for this scan …", style="dim")
    with Stack(settings) as stack:
        yield Client(stack.url, key=settings.api_key, patience=PATIENCE)


if __name__ == "__main__":
    main()
