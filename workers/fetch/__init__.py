"""One safe GET of a URL that nobody trusts. Knows addresses and bytes; knows no image, no Redis."""

from models.errors import CheckError


class FetchError(CheckError):
    """The URL could not be fetched, or must not be."""
