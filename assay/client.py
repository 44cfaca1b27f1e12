"""The client of Assay's HTTP API. It needs pydantic, requests and ada-url, not the server."""

from backend.client import *  # noqa: F403 - the list of public names stands there alone
from backend.client import __all__ as __all__
