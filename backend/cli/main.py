"""The entry point of the command line. Commands import what they need, so that help is fast.

Exit codes: 0 for success; 1 if an image could not be checked (check), none could (scan), or the
command failed; 2 if the arguments or a setting are wrong; 130 if a scan was interrupted.
"""

from __future__ import annotations

from enum import StrEnum
from socket import gethostname
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.admin import feedback_app, keys_app
from backend.cli.commands import FAILED, fail, read_settings, stop_in_order
from backend.cli.images import check, scan

if TYPE_CHECKING:  # takes a while to import
    from settings import Settings


class QueueName(StrEnum):
    """The queues, as choices for typer."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Check whether images are likely AI-made.",
)
app.command()(check)
app.command()(scan)
app.add_typer(keys_app, name="keys")
app.add_typer(feedback_app, name="feedback")


def main() -> None:
    """Run the command line. A known error becomes a sentence and an exit code."""
    try:
        app()
    except Exception as error:
        if not isinstance(error, _known_errors()):
            raise
        fail(str(error), FAILED)


def _known_errors() -> tuple[type[Exception], ...]:
    """Return the errors whose message is a sentence for people."""
    from backend.cli.output import ResultsError
    from backend.cli.scan import ScanError
    from backend.client import ServerError
    from backend.feedback_export import ExportError
    from backend.processes import SupervisorError
    from models.manifest import WeightsError

    return ExportError, ResultsError, ScanError, ServerError, SupervisorError, WeightsError


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
    """Handle the options before the command."""


# Server processes


@app.command()
def serve() -> None:
    """Start everything on this machine: Valkey, workers and API. Ctrl-C stops it."""
    from backend.supervisor import serve

    settings = read_settings()
    stop_in_order()
    _warn_of_exposure(settings)
    _warn_of_eviction(settings)
    serve(settings)


@app.command()
def api() -> None:
    """Run only the API, with the Redis at ASSAY_REDIS_URL."""
    settings = read_settings(shared=True)
    from backend.api_process import run_api

    _warn_of_exposure(settings)
    run_api(settings)


@app.command()
def worker(
    queue: Annotated[
        list[QueueName],
        typer.Option(
            help="Serve only this queue. Can be repeated. "
            "A worker with only `interactive` never does bulk work."
        ),
    ] = [*QueueName],  # noqa: B006 - typer needs a list
) -> None:
    """Run only a worker, with the Redis at ASSAY_REDIS_URL."""
    settings = read_settings(shared=True)
    from workers.scheduling.queues import QUEUES
    from workers.tasks import run_worker

    run_worker(settings, [name for name in QUEUES if name in queue])


@app.command()
def health() -> None:
    """Exit with 0 if a worker on this machine is alive. For health checks."""
    settings = read_settings(shared=True)
    from redis import RedisError

    from workers.storage.connection import open_redis
    from workers.storage.worker_registry import WorkerRegistry

    try:
        workers = WorkerRegistry(open_redis(settings)).live()
    except RedisError:
        fail("Redis does not answer", FAILED)
    if gethostname() not in [worker.machine for worker in workers]:
        fail("no worker on this machine is alive", FAILED)


def _warn_of_eviction(settings: Settings) -> None:
    from redis import RedisError

    from backend.cli.console import messages
    from workers.storage.connection import connect, eviction_warning

    if settings.redis_url is None:
        return
    try:
        warning = eviction_warning(connect(settings.redis_url))
    except RedisError:
        return  # the server itself reports it
    if warning:
        messages().print(f"assay: {warning}", style="yellow", markup=False)


def _warn_of_exposure(settings: Settings) -> None:
    from backend.exposure import exposure

    if warning := exposure(settings):
        from backend.cli.console import messages

        messages().print(f"assay: {warning}", style="yellow", markup=False)
