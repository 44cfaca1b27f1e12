"""Tables and plain text: which separator, which header, which column → entries.

The rules, in this order; a comma, a semicolon and a pipe may stand in a URL, so none of them
separates anything unless the list shows that it does:

1. A line ``sep=;`` at the top names the separator, as Excel writes it; ``.tsv`` means the tab.
2. A header is a first row with a usual title for URLs (``URL_TITLES``) or the title that was named.
   The separator is the one that cuts this title out. With one title there is no separator.
3. A tab in the first row separates, for no URL holds one.
4. Without a header, the separator is the one that cuts a URL out of a first row that is no URL
   itself, or whose cells are quoted. A first row such as ``http://h/a;1`` says nothing: in plain
   text the line is the URL; in what is called CSV it is an error.
5. What is called CSV and has one title only, whatever it is, has its URLs there. Else a column
   must be named.
6. Everything else is plain text, one URL a line.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from backend.lists.entries import (
    NO_URL,
    ColumnError,
    Entry,
    ListError,
    NoColumnsError,
    is_web_url,
    place_of_id,
    place_of_url,
    places_of_url,
    shown,
)

SEPARATORS = ",;\t|"
_NONE = "\x1f"
"""A separator for lists that have none: csv must have one, and no URL holds it."""
_SEPARATOR_LINE = re.compile(r'"?sep=([\t!#-/:-@[-^`{-~])"?[\r\n]*', re.IGNORECASE)
_BLANK = f" {SEPARATORS}\r\n"
_NUMBER_SIGN_TITLE = re.compile(r"\s*#\w*\s*")
_PATH = re.compile(r".*[/\\].*|.*\.[A-Za-z0-9]{3,5}", re.DOTALL)


@dataclass(frozen=True)
class Layout:
    """How a table is laid out.

    Attributes:
        skipped: lines before its first row.
        separator: between cells.
        titles: those of the header; empty without a header.
        place: the column of the URLs.
        width: cells of a row.
    """

    skipped: int
    separator: str
    titles: tuple[str, ...]
    place: int
    width: int


def find_layout(
    head: str, column: str | None, *, table: bool, separator: str | None = None
) -> Layout | None:
    """Find out how a list is laid out; see the rules above.

    Args:
        head: the start of the list.
        column: the title of the column that holds the URLs, if it was named.
        table: whether the list is called a table, by its name or its Content-Type.
        separator: the only one possible, if that is known.

    Returns:
        The layout; none for plain text, one URL a line.

    Raises:
        ListError: it is not clear what separates the columns.
        ColumnError: it is not clear which column holds the URLs.
        NoColumnsError: a column was named, but this has no header.
    """
    skipped, separator, text = _skip_to_first_row(head, separator, column)
    first = _FirstRow(
        skipped=skipped,
        text=text,
        cells={each: row for each in separator or SEPARATORS if (row := _cells(text, each))},
        separator=separator,
        is_table=table or separator is not None,
    )
    if layout := _by_header(first, column):
        return layout
    if column is not None and first.cells:
        raise _no_such_column(first, column)
    return _by_urls(first) or _by_name(first)


@dataclass(frozen=True)
class _FirstRow:
    """The first row of a list, and what is known before it is looked at.

    Attributes:
        skipped: lines before it.
        text: the list from there on, as far as it was read.
        cells: the row's cells by each separator by which it can be read at all.
        separator: the only one possible, if that is known.
        is_table: whether the list is called a table.
    """

    skipped: int
    text: str
    cells: dict[str, list[str]]
    separator: str | None
    is_table: bool

    @property
    def line(self) -> int:
        return self.skipped + 1

    def layout(
        self, separator: str, place: int, *, titles: Sequence[str] = (), width: int = 1
    ) -> Layout:
        if width == 1 and self.separator is None:
            separator = _NONE
        return Layout(self.skipped, separator, tuple(titles), place, len(titles) or width)


def _by_header(first: _FirstRow, column: str | None) -> Layout | None:
    """Find the layout by the title of the URLs' column (rule 2)."""
    headers = {
        separator: row
        for separator, row in first.cells.items()
        if places_of_url(row, column) and not any(map(is_web_url, row))
    }
    if not headers:
        return None
    separator, row = max(headers.items(), key=lambda header: len(header[1]))
    titles = list(row)
    while not titles[-1]:
        titles.pop()
    place = place_of_url(titles, column, first.line)
    return first.layout(separator, place, titles=titles, width=len(row))


def _no_such_column(first: _FirstRow, column: str) -> ListError:
    if not first.is_table or any(any(map(is_web_url, row)) for row in first.cells.values()):
        return NoColumnsError(first.line, "This is a plain list: it has no columns.")
    titles = shown(max(first.cells.values(), key=len))
    return ColumnError(first.line, f"There is no column {column!r}; the columns are {titles}.")


def _by_urls(first: _FirstRow) -> Layout | None:
    """Find the layout of a list without a header by the URL in its first row (rules 3 and 4)."""
    splits = [separator for separator, row in first.cells.items() if len(row) > 1]
    if first.separator is None and "\t" not in splits and is_web_url(first.text.lstrip()):
        if splits and first.is_table:
            raise ListError(
                first.line,
                f"There is no header, so “{splits[0]}” may belong to the URL or end it. "
                f"Put a header above the rows, such as url{splits[0]}title.",
            )
        return first.layout(_NONE, 0) if first.is_table else None
    if "\t" in splits:
        splits = ["\t"]
    found = {each: row for each, row in first.cells.items() if any(map(is_web_url, row))}
    wide = [separator for separator in found if separator in splits] or list(found)[:1]
    if not wide:
        return None
    row = found[wide[0]]
    places = [place for place, cell in enumerate(row) if is_web_url(cell)]
    if len(wide) > 1 or len(places) > 1:
        raise ListError(
            first.line,
            "There is no header, and the row can be read in two ways. Put a header above it.",
        )
    return first.layout(wide[0], places[0], width=len(row))


def _by_name(first: _FirstRow) -> Layout | None:
    """Find the layout of a list whose first row has neither title nor URL (rules 5 and 6)."""
    if not first.cells:  # a wrong quotation, to be named where the rows are read
        is_table = first.is_table or first.text.startswith('"')
        return first.layout(first.separator or _NONE, 0) if is_table else None
    separator, row = max(first.cells.items(), key=lambda cells: len(cells[1]))
    if len(first.cells.get("\t", [])) > 1:
        separator, row = "\t", first.cells["\t"]
    elif not first.is_table:
        return None
    if len(row) > 1:
        place_of_url(row, None, first.line)  # which raises the error that fits
    titles = () if _PATH.fullmatch(row[0]) else row
    return first.layout(separator, 0, titles=titles)


def _cells(text: str, separator: str) -> list[str] | None:
    """Read the first row by a separator; nothing if that is against the rules of CSV."""
    rows = csv.reader(
        io.StringIO(text, newline=""), strict=True, skipinitialspace=True, delimiter=separator
    )
    try:
        return [cell.strip() for cell in next(rows, [])]
    except csv.Error:
        return None


def table_entries(lines: Iterable[str], layout: Layout, *, columns: bool = True) -> Iterator[Entry]:
    """Read the rows of a table (RFC 4180); blank rows and comments are left out.

    Args:
        lines: with their ends, for a cell may hold line breaks.
        layout: of the table.
        columns: whether entries have the other columns; thousands of them cost time in each row.

    Yields:
        An entry for each row; with a fault where it has no URL, or more cells than there are
        columns, for then a URL may have been cut.

    Raises:
        ListError: not valid CSV.
    """
    lines = iter(lines)
    next(islice(lines, layout.skipped, layout.skipped), None)
    rows = csv.reader(lines, strict=True, skipinitialspace=True, delimiter=layout.separator)
    titles = _unique(layout.titles) if columns else []
    id_place = place_of_id(layout.titles)
    own = (layout.place, id_place)
    began = 1
    try:
        if layout.titles:
            next(rows, None)
            began = rows.line_num + 1
        for row in rows:
            began = rows.line_num + 1
            if _is_blank(row) or _is_comment(row, layout.place):
                continue
            url = row[layout.place].strip() if layout.place < len(row) else ""
            yield Entry(
                layout.skipped + rows.line_num,
                url,
                row[id_place] if id_place is not None and id_place < len(row) else None,
                {
                    title: row[place] if place < len(row) else ""
                    for place, title in enumerate(titles)
                    if place not in own
                },
                _fault(row, url, layout),
            )
    except csv.Error as error:
        detail = f"{error}"
        if rows.line_num > began:
            detail = f"the quotation that begins in line {layout.skipped + began} goes on"
        raise ListError(layout.skipped + rows.line_num, f"Not valid CSV: {detail}.") from error


def text_entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Read one URL a line; empty lines, and those that begin with ``#``, are left out."""
    for number, line in enumerate(lines, start=1):
        if (url := line.strip()) and not url.startswith("#"):
            yield Entry(number, url)


def _skip_to_first_row(
    head: str, separator: str | None, column: str | None
) -> tuple[int, str | None, str]:
    """Return the lines before the first row, the separator if they name one, and what follows."""
    text = io.StringIO(head, newline="")
    for number, line in enumerate(iter(text.readline, "")):
        if found := _SEPARATOR_LINE.fullmatch(line):
            separator = found[1]
        elif line.strip(_BLANK) and not (
            line.lstrip().startswith("#") and not _titles(line, column)
        ):
            return number, separator, line + text.read()
    return 0, separator, ""


def _titles(line: str, column: str | None) -> bool:
    """Return whether the line is a header such as ``#,url``, and not a comment."""
    for separator in SEPARATORS:
        first, *others = line.split(separator)
        if _NUMBER_SIGN_TITLE.fullmatch(first) and places_of_url(others, column):
            return True
    return False


def _is_blank(row: Sequence[str]) -> bool:
    return not any(cell.strip() for cell in row)


def _is_comment(row: Sequence[str], place: int) -> bool:
    """Return whether the row is a comment, and not one whose first cell begins with ``#``."""
    return row[0].lstrip().startswith("#") and (place == 0 or place >= len(row))


def _fault(row: Sequence[str], url: str, layout: Layout) -> str | None:
    surplus = row[layout.width :]
    if surplus and layout.separator != "\t" and not _is_blank(surplus):
        quoted = "separator" if layout.separator == _NONE else f"“{layout.separator}”"
        return (
            f"The row has {len(row)} cells, and the first row {layout.width}. "
            f"Quote what holds a {quoted}, and give each column a title."
        )
    return None if url else NO_URL


def _unique(titles: Sequence[str]) -> list[str]:
    """Give each column a title of its own: ``note``, ``note (2)``, ``column 5``."""
    unique: dict[str, None] = {}
    counts: Counter[str] = Counter()
    for place, title in enumerate(titles, start=1):
        name = base = title.strip() or f"column {place}"
        while name in unique:
            counts[base] += 1  # kept from title to title, for a header may hold thousands of one
            name = f"{base} ({counts[base] + 1})"
        unique[name] = None
    return list(unique)
