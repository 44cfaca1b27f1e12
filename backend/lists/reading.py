"""The one reader of lists, for files and requests alike."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import IO, Literal

from backend.lists.entries import Entry, NotAListError, is_file, is_web_url, reason
from backend.lists.jsons import (
    json_document_entries,
    json_line_entries,
    looks_like_json,
    looks_like_json_lines,
)
from backend.lists.kinds import kind_of_bytes, kind_of_text
from backend.lists.tables import find_layout, table_entries, text_entries
from backend.lists.text import HEAD, Limits, decoded_head, read_lines, read_pieces

Form = Literal["jsonl", "csv", "tsv"]
"""What a list is called, by its name or its Content-Type."""


def read_list(
    file: IO[bytes],
    limits: Limits,
    *,
    form: Form | None = None,
    column: str | None = None,
    columns: bool = True,
) -> Iterator[Entry]:
    """Read a list: JSON Lines, a JSON array, a table or plain text, by its own first characters.

    Memory is bounded by the limits, however long the list is.

    Args:
        file: the list; can be read from its start again. It stays open.
        limits: on what is read.
        form: what it is called, which decides where the list itself leaves it open.
        column: the column or key that holds the URLs; a usual title (``url``) if none.
        columns: whether the entries of a table have its other columns.

    Yields:
        An entry for each row, with a fault where the row names no image.

    Raises:
        NotAListError: this is something else.
        ListError: a line cannot be read.
        ColumnError: it is not clear where the URLs are.
        NoColumnsError: a column was named, but the list has none.
    """
    csv.field_size_limit(limits.cell)
    file.seek(0)
    head = file.read(HEAD)
    if (kind := kind_of_bytes(head)) or (kind := kind_of_text(text := decoded_head(head))):
        raise NotAListError(kind)
    is_json = looks_like_json(text)
    if form == "jsonl" or (is_json and looks_like_json_lines(text)):
        return json_line_entries(read_lines(file, limits), column)
    if is_json:
        return json_document_entries(read_pieces(file), column, limits.line)
    separator = "\t" if form == "tsv" else None
    layout = find_layout(text, column, table=form is not None, separator=separator)
    lines = read_lines(file, limits)
    return table_entries(lines, layout, columns=columns) if layout else text_entries(lines)


def see_that_it_names_images(entries: Iterator[Entry], *, files: bool) -> Iterator[Entry]:
    """Hand the entries on, and raise an error at the end if no row may name an image.

    Args:
        entries: of a list.
        files: whether rows may also be paths of files.

    Raises:
        NotAListError: there are rows, but none has a URL of http or https, or a file.
    """
    found = False
    first: Entry | None = None
    for entry in entries:
        if not found and entry.url:
            first = first or entry
            text = entry.url
            found = not entry.fault and (is_web_url(text) or (files and is_file(text)))
        yield entry
    if first and not found:
        detail = first.fault or reason(first.url, files=files)
        raise NotAListError(f"Not a list of URLs; line {first.line}: {detail}")
