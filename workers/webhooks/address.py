"""Which URLs may be webhooks, as far as the URL itself tells. Light: the API imports this."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from models.errors import ErrorCode
from workers.fetching import FetchError
from workers.fetching.addresses import Address, Network
from workers.fetching.urls import canonical_url


def webhook_url(url: str, allow_nets: Sequence[Network] = ()) -> str:
    """Return the canonical form of a URL that may be a webhook.

    The rules are those of a fetch, and the URL must also use https. Only networks that the operator
    allows may be called over http: the literal of an address outside them is refused here, and the
    addresses of a name are checked when the webhook is called.

    Args:
        url: an absolute URL.
        allow_nets: networks that may be reached although they are not public.

    Raises:
        FetchError: bad_url or blocked_address.
    """
    canonical = canonical_url(url, allow_nets)
    parts = urlsplit(canonical)
    if parts.scheme == "http" and not _may_be_allowed(parts.hostname or "", allow_nets):
        raise plain_http()
    return canonical


def is_allowed(address: Address, allow_nets: Sequence[Network]) -> bool:
    """Return whether an address is in the networks that the operator allows."""
    return any(address in net for net in allow_nets)


def plain_http() -> FetchError:
    """Make the error for http outside those networks."""
    return FetchError(ErrorCode.BAD_URL, "A webhook needs an https URL.")


def _may_be_allowed(host: str, allow_nets: Sequence[Network]) -> bool:
    try:
        return is_allowed(ip_address(host), allow_nets)
    except ValueError:  # a name, which only a look-up can resolve
        return bool(allow_nets)
