"""The commands that check images: `assay check` and `assay scan`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.commands import FAILED, MISUSED, fail, read_settings, stop_in_order
from backend.report.thumbnails import MOST_THUMBNAILS

if TYPE_CHECKING:  # the commands import what they need
    from backend.cli.local import LocalChecker
    from backend.cli.report_file import ReportFile
    from backend.report.document import Sheet
    from models.verdict import CheckItem
    from settings import Settings

STDIN = STDOUT = "-"


class LabelName(StrEnum):
    """The labels, as choices for typer."""

    AI = "ai"
    UNCERTAIN = "uncertain"
    REAL = "real"


class Order(StrEnum):
    """The order of the results."""

    FINISHED = "finished"
    INPUT = "input"


class Form(StrEnum):
    """The format of the results."""

    JSONL = "jsonl"
    CSV = "csv"


class Retry(StrEnum):
    """Which results of earlier runs are replaced."""

    FAILED = "failed"


Key = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="The API key for the server; - asks for it. Others on this machine can see the "
        "arguments of a command, so ASSAY_API_KEY is safer.",
        show_default="ASSAY_API_KEY",
    ),
]


ReportOption = Annotated[
    Path | None,
    typer.Option(
        metavar="HTML",
        help="Also write a report for people: one file to keep, send or print.",
        show_default=False,
    ),
]

ThumbnailsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_THUMBNAILS,
        metavar="N",
        help="Put thumbnails of the first N images that are likely AI into the report. The images "
        f"are fetched again. At most {MOST_THUMBNAILS}.",
        show_default="none",
    ),
]


def check(
    targets: Annotated[list[str], typer.Argument(metavar="FILE_OR_URL", show_default=False)],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, in the order given.")
    ] = False,
    explain: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG",
            help="Write a picture of where the image looks AI-made. For one file.",
            show_default=False,
        ),
    ] = None,
    report: ReportOption = None,
    key: Key = None,
) -> None:
    """Check whether images are likely AI-made.

    Files and standard input (-) are checked without a server. URLs are checked by the server on
    this machine if it runs, and without one otherwise. With `--report`, they are checked without
    one, so that pictures, hash and verdict are of the same bytes. Of a web page, the images are
    checked, by a server; for a report, they are fetched again. Exits with 1 if any image could not
    be checked.
    """
    from backend.cli.console import item_printer
    from backend.cli.local import LocalChecker
    from backend.cli.report_file import ReportFile
    from backend.report.document import check_report

    for target in targets:
        if os.path.isdir(target):  # noqa: PTH112 - Path's raises for a name that is too long
            raise typer.BadParameter(f"{target} is a folder; use: assay scan {target}")
    if explain and not (len(targets) == 1 and os.path.isfile(targets[0])):  # noqa: PTH113
        raise typer.BadParameter("--explain is for one file; save the image first")
    show = item_printer(as_json=as_json)
    failed = False
    settings = _with_key(read_settings(), key)
    report_file = None if report is None else ReportFile(report)
    local = LocalChecker(settings, illustrated=report_file is not None)
    sheets: list[Sheet] = []
    for item in _check(targets, settings, local, alone=report_file is not None):
        show(item)
        failed |= item.status != "done"
        if report_file is not None:
            sheets.append(_sheet(item, local))
    if report_file is not None:
        report_file.write(check_report(sheets))
    if explain and not failed:
        try:
            explain.write_bytes(local.explain_file(targets[0]))
        except OSError as error:
            fail(f"cannot write {explain}: {error.strerror}", FAILED)
    raise typer.Exit(FAILED if failed else 0)


def _sheet(item: CheckItem, local: LocalChecker) -> Sheet:
    """Return what the report shows of an image."""
    from backend.report.document import Sheet

    if item.verdict is None:
        return Sheet(item)
    pictures = local.pictures_of(item.url, item.verdict.image.sha256)
    if isinstance(pictures, str):
        return Sheet(item, why_no_picture=f"No picture: {pictures}")
    return Sheet(item, pictures.picture, pictures.map)


def _check(
    targets: list[str], settings: Settings, local: LocalChecker, *, alone: bool
) -> Iterator[CheckItem]:
    """Check files and URLs, in order; with `alone`, do not ask the server on this machine."""
    from backend.cli.pages_command import check_page, explained, is_page
    from backend.client import Client, local_server
    from backend.lists import is_web_url, reason
    from models.errors import CheckError, ErrorCode
    from models.verdict import CheckItem

    client = Client(local_server(settings.bind), key=settings.api_key)
    urls = [target for target in targets if is_web_url(target)]
    ask = urls and not alone and client.is_alive()
    of_urls = client.judge(urls) if ask else local.check_urls(urls)
    for target in targets:
        if target == STDIN:
            yield local.check_stream(target, sys.stdin.buffer)
        elif is_web_url(target):
            item = next(of_urls)
            yield from check_page(target, settings) if is_page(item) else [explained(item)]
        elif os.path.exists(target):  # noqa: PTH110
            yield local.check_file(target)
        else:
            error = CheckError(ErrorCode.BAD_URL, reason(target, files=True))
            yield CheckItem.failed(target, error)


Lists = Annotated[
    list[str],
    typer.Argument(
        metavar="LIST",
        show_default=False,
        help="A list of URLs or paths (text, CSV or JSON Lines; - for standard input), "
        "a folder of images, or an image.",
    ),
]
OutputFile = Annotated[
    str,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="The file for the results, .jsonl or .csv; or - for standard output. A scan to "
        "standard output cannot be resumed.",
    ),
]
Column = Annotated[
    str | None,
    typer.Option(help="The CSV column or JSON key with the URL.", show_default="url"),
]
ResultOrder = Annotated[
    Order, typer.Option(help="Write results as they finish, or in the list's order.")
]
Labels = Annotated[
    list[LabelName] | None,
    typer.Option(
        help="Write only images with this label. Can be repeated. A file that ends in "
        ".all.jsonl, beside the output, then keeps all results.",
        show_default="all results",
    ),
]
RetryOption = Annotated[
    Retry | None,
    typer.Option(
        help="Check again the images that failed in earlier runs, and replace their lines.",
        show_default=False,
    ),
]
FormatOption = Annotated[
    Form | None,
    typer.Option(
        "--format", help="The format of the results.", show_default="from the output's name"
    ),
]
Excel = Annotated[
    bool,
    typer.Option("--excel", help="Write a CSV that Excel reads as UTF-8, with a byte order mark."),
]
ServerAddress = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The server. Default: the one on this machine. If none runs, one is started for "
        "the scan.",
    ),
]


Pages = Annotated[
    bool,
    typer.Option(
        "--pages",
        help="The list names web pages, site maps or feeds; LIST may be the URL of one. Their "
        "images are checked.",
    ),
]


def scan(
    lists: Lists,
    output: OutputFile = "results.jsonl",
    column: Column = None,
    order: ResultOrder = Order.FINISHED,
    label: Labels = None,
    retry: RetryOption = None,
    form: FormatOption = None,
    excel: Excel = False,
    server: ServerAddress = None,
    pages: Pages = False,
    report: ReportOption = None,
    thumbnails: ThumbnailsOption = None,
    key: Key = None,
) -> None:
    """Check many images. Each row of the list gets one line in the results.

    The list's own columns follow Assay's. A column with the name of one of Assay's gets `list_`
    before its name. An image in several rows is checked once.

    A scan that was stopped or killed goes on when you run the same command again. Rows with a
    result are left out, and you may add rows at the list's end. After Ctrl-C the server goes on
    with the URLs that it has, up to 50,000, and the next run fetches their results. With `-o -`,
    Ctrl-C cancels them.

    With `--pages`, each image of each page gets a line, with its page and its place there. It obeys
    robots.txt, and follows no links.

    The report of `--report` has a summary, a table of all results in the output, and the marks of
    each image. It is written when the scan is complete. With `--thumbnails`, the first images that
    are likely AI are fetched again, by this command, to show small pictures of them.

    An image that cannot be checked is a result too. Exits with 1 if the scan ended early, or if no
    image could be checked.
    """
    from backend.cli.inputs import InputError, read_inputs, read_pages
    from backend.cli.pages_command import run_pages
    from backend.cli.scan_command import Output, run
    from backend.client.api_connection import server_address
    from models.verdict import Label

    if retry and output == STDOUT:
        raise typer.BadParameter("--retry needs the file of an earlier run: name it with -o")
    if excel and (form is Form.JSONL or (form is None and output.lower().endswith(".jsonl"))):
        raise typer.BadParameter("--excel is for CSV: name an output that ends in .csv")
    if pages and (label or retry or order is Order.INPUT):
        raise typer.BadParameter("--pages goes with neither --label, --retry nor --order")
    if report and not label and (form or output).lower().rpartition(".")[2] != "jsonl":
        raise typer.BadParameter("--report needs results in JSON Lines: -o results.jsonl")
    if thumbnails and not report:
        raise typer.BadParameter("--thumbnails goes into a report: add --report out.html")
    settings = _with_key(read_settings(), key)
    try:
        address = None if server is None else server_address(server)
        inputs = (read_pages if pages else read_inputs)(lists, column)
    except (InputError, ValueError) as error:
        fail(str(error), MISUSED)
    stop_in_order()
    place = Output(
        Path(output),
        form=form,
        bom=excel,
        labels=frozenset(map(Label, label or ())),
        in_order=order is Order.INPUT,
        retry=retry is not None,
        report=_report_of_scan(report, thumbnails, settings) if report else None,
    )
    (run_pages if pages else run)(inputs, place, settings, address)


def _report_of_scan(report: Path, thumbnails: int | None, settings: Settings) -> ReportFile:
    """Return a scan's report, with small pictures of so many images if any are wanted."""
    from backend.cli.report_file import ReportFile
    from backend.cli.thumbnails import Thumbnails

    return ReportFile(report, Thumbnails(thumbnails, settings) if thumbnails else None)


def _with_key(settings: Settings, key: str | None) -> Settings:
    """Return the settings with the given key. Ask for it if it is ``-``."""
    if key is None:
        return settings
    if key == STDIN:
        key = typer.prompt("API key", hide_input=True, err=True)
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise typer.BadParameter("an API key has no spaces, and ASCII characters alone")
    return settings.model_copy(update={"api_key": key})
