"""The command line. Thin: each command calls what does the work, imported when it is needed.

Exit codes: 0 for success; 1 if an image could not be judged (check) or the work itself failed; 2 if
the command or a setting is wrong; 130 if a scan was interrupted.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Annotated

import typer

from backend.commands import FAILED, INTERRUPTED, MISUSED, fail, read_settings
from backend.keeping import feedback_app, keys_app

if TYPE_CHECKING:  # these take a second to import, and `assay --help` needs none of them
    from backend.client import Client
    from backend.results import ResultsFile
    from backend.sources import Source
    from models.verdict import CheckItem
    from settings import Settings


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
app.add_typer(keys_app, name="keys")
app.add_typer(feedback_app, name="feedback")


def main() -> None:
    """Run the command line; failures that are told apart become a sentence and an exit code."""
    try:
        app()
    except Exception as error:
        if not isinstance(error, _foreseen()):
            raise
        fail(str(error), FAILED)


def _foreseen() -> tuple[type[Exception], ...]:
    """Return the errors whose message is a sentence for people."""
    from backend.client import ServerError
    from backend.export import ExportError
    from backend.results import ResultsError
    from backend.scan import ScanError
    from backend.stack import StackError
    from models.manifest import WeightsError

    return ExportError, ResultsError, ScanError, ServerError, StackError, WeightsError


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

    settings = read_settings()
    _stop_in_order()
    _warn_of_strangers(settings)
    _warn_of_eviction(settings)
    serve(settings)


@app.command()
def api() -> None:
    """Run the API alone, against the Redis that ASSAY_REDIS_URL names."""
    settings = read_settings(shared=True)
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
    settings = read_settings(shared=True)
    from workers.queue import QUEUES
    from workers.tasks import run_worker

    run_worker(settings, [name for name in QUEUES if name in queue])


@app.command()
def health() -> None:
    """Tell by the exit code whether a worker of this machine shows life, for who watches it."""
    settings = read_settings(shared=True)
    from redis import RedisError

    from workers.store import Store

    try:
        workers = Store.open(settings, model_version="").live_workers()
    except RedisError:
        fail("the store does not answer", FAILED)
    if gethostname() not in [worker.machine for worker in workers]:
        fail("no worker of this machine has shown life just now", FAILED)


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
    for item in _check(targets, read_settings()):
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

    settings = read_settings()
    try:
        sources = read_sources(lists, column)
    except SourceError as error:
        fail(str(error), MISUSED)
    _stop_in_order()
    with ResultsFile(output) as results:
        try:
            _scan(sources, results, settings, server)
        except KeyboardInterrupt:
            left = sum(source.name not in results.known for source in sources)
            fail(
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

    client = Client(given or local_server(settings.bind), key=settings.api_key, patience=PATIENCE)
    if given is not None or client.is_alive():
        yield client
        return
    messages().print("Starting a server for this scan …", style="dim")
    with Stack(settings) as stack:
        yield Client(stack.url, key=settings.api_key, patience=PATIENCE)


if __name__ == "__main__":
    main()
