"""One safe GET of a URL that nobody trusts. Knows addresses and bytes; knows no image, no Redis."""

from models.errors import CheckError, ErrorCode


class FetchError(CheckError):
    """The URL could not be fetched, or must not be."""


class TurnedAwayError(FetchError):
    """The server wants to be asked again later.

    Args:
        status: 429 or 503.
        seconds: how much later.
    """

    def __init__(self, status: int, seconds: float) -> None:
        super().__init__(ErrorCode.HTTP_STATUS, f"The server answered with status {status}.")
        self.seconds = seconds
