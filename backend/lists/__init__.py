"""Lists of URLs → entries: every encoding, separator and form that people write lists in.

``read_list`` reads them for the command line and the API alike. It never turns one address into
another: where a list can be read in two ways, it is refused, with the line.
"""

from backend.lists.entries import (
    CUSTOM_ID,
    URL,
    ColumnError,
    Entry,
    ListError,
    NoColumnsError,
    NotAListError,
    is_file,
    is_url,
    is_web_url,
    reason,
)
from backend.lists.reading import Form, read_list, see_that_it_names_images
from backend.lists.text import HEAD, Limits, encoding_of

__all__ = [
    "CUSTOM_ID",
    "HEAD",
    "URL",
    "ColumnError",
    "Entry",
    "Form",
    "Limits",
    "ListError",
    "NoColumnsError",
    "NotAListError",
    "encoding_of",
    "is_file",
    "is_url",
    "is_web_url",
    "read_list",
    "reason",
    "see_that_it_names_images",
]
