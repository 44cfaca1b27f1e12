"""One safe GET of an untrusted URL, and the limits of its host. Knows no image."""

from models.errors import CheckError, ErrorCode


class FetchError(CheckError):
    """The URL could not be fetched, or must not be."""


class StatusError(FetchError):
    """The server answered with a status that is no success.

    Args:
        status: the HTTP status.
    """

    def __init__(self, status: int) -> None:
        super().__init__(ErrorCode.HTTP_STATUS, f"The server answered with status {status}.")
        self.status = status


class RetryLaterError(StatusError):
    """The server asked to retry later.

    Args:
        status: 429 or 503.
        seconds: how much later, from now.
    """

    def __init__(self, status: int, seconds: float) -> None:
        super().__init__(status)
        self.seconds = seconds
