"""Files that people take for lists: workbooks, web pages, archives, images."""

from __future__ import annotations

import re

from models.errors import ErrorCode, ImageError
from models.image import sniff

_SAVE_AS_CSV = "Save it as CSV."
_UNPACK = "Unpack it first."

_KINDS = tuple(
    (re.compile(pattern, re.DOTALL), f"This is {sentence}")
    for pattern, sentence in (
        # ZIP (APPNOTE 4.3.7) with the entries that each format must have.
        (rb"PK\x03\x04.*?xl/", f"an Excel workbook. {_SAVE_AS_CSV}"),
        (
            rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis\.opendocument\.spreadsheet",
            f"an OpenDocument spreadsheet. {_SAVE_AS_CSV}",
        ),
        (rb"PK\x03\x04.*?Index/.*?\.iwa", f"a Numbers spreadsheet. {_SAVE_AS_CSV}"),
        (rb"PK\x03\x04.*?word/", "a Word document. Save it as plain text."),
        (
            rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis\.opendocument\.text",
            "an OpenDocument text. Save it as plain text.",
        ),
        (rb"PK(?:\x03\x04|\x05\x06)", f"a ZIP archive. {_UNPACK}"),
        # Compound files (MS-CFB 2.2), whose stream names are UTF-16.
        (
            rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1.*?(?:B\0o\0o\0k\0|W\0o\0r\0k\0b\0o\0o\0k\0)",
            f"an Excel workbook. {_SAVE_AS_CSV}",
        ),
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", f"an Office document (.xls, .doc). {_SAVE_AS_CSV}"),
        (rb"\x09\x08\x10\x00\x00[\x05\x06]", f"an Excel workbook. {_SAVE_AS_CSV}"),  # BIFF
        (rb"\s{0,1024}%PDF-", "a PDF document, not a list of URLs."),
        (rb"\s*\{\\rtf", "an RTF document. Save it as plain text."),
        (rb"\x1f\x8b", f"a gzip file. {_UNPACK}"),
        (rb"BZh[1-9]", f"a bzip2 file. {_UNPACK}"),
        (rb"\xfd7zXZ\x00", f"an xz file. {_UNPACK}"),
        (rb"\x28\xb5\x2f\xfd", f"a Zstandard file. {_UNPACK}"),
        (rb"7z\xbc\xaf\x27\x1c", f"a 7z archive. {_UNPACK}"),
        (rb"Rar!\x1a\x07", f"a RAR archive. {_UNPACK}"),
        (rb"PAR1", f"a Parquet file. {_SAVE_AS_CSV}"),
        (rb"SQLite format 3\x00", f"an SQLite database. {_SAVE_AS_CSV}"),
    )
)
_XML = re.compile(r"\s*<\?xml|\s*<(?:urlset|sitemapindex|rss|feed)[\s>]", re.IGNORECASE)
_HTML = re.compile(r"\s*<(?:!--|!doctype|[a-z][a-z0-9-]*(?:\s|/?>|$))", re.IGNORECASE)


def kind_of_bytes(head: bytes) -> str | None:
    """Return what a file is, as a sentence, if its first bytes show that it is not a list."""
    for pattern, sentence in _KINDS:
        if pattern.match(head):
            return sentence
    try:
        name = sniff(head).upper()
    except ImageError as error:
        if error.code is not ErrorCode.UNSUPPORTED_FORMAT:
            return None
        name = error.detail.split(" images ")[0]
    return f"This is an image ({name}), not a list of URLs."


def kind_of_text(head: str) -> str | None:
    """Return what a text is, as a sentence, if its start shows that it is not a list."""
    if _XML.match(head):
        return "This is XML, not a list of URLs."
    if _HTML.match(head):
        return "This is a web page (HTML), not a list of URLs."
    return None
