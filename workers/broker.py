"""Kombu's transports for Redis, whose channels can be closed when their Redis has gone.

A worker that loses its broker closes the channel and connects anew. But a channel that was waiting
for a task when the Redis went away fails to close (kombu 5.7): it reads what it waits for, over the
lost connection. What follows then takes the transport from under the open channel, and to put back
or to acknowledge a task over it raises an AttributeError, after which Celery ends the worker.
"""

from __future__ import annotations

from kombu.transport import TRANSPORT_ALIASES, redis


class _Closing(redis.Channel):
    def close(self) -> None:
        """Close the channel; again, if it was listening, as it does no more after the failure."""
        try:
            super().close()
        except self.connection.connection_errors:
            super().close()


class SentinelChannel(_Closing, redis.SentinelChannel):
    """For a Redis that Sentinels watch."""


class Transport(redis.Transport):
    """For one Redis."""

    Channel = _Closing


class SentinelTransport(redis.SentinelTransport):
    """For a Redis that Sentinels watch."""

    Channel = SentinelChannel


def register() -> None:
    """Have kombu use these for the URLs of a Redis."""
    TRANSPORT_ALIASES.update(
        redis=f"{__name__}:Transport",
        rediss=f"{__name__}:Transport",
        sentinel=f"{__name__}:SentinelTransport",
    )
