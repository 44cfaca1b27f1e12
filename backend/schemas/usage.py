"""The reply about the caller's usage."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field

from workers.storage.keys import USAGE_DAYS

DAYS = USAGE_DAYS
"""Days for which usage is kept."""

if TYPE_CHECKING:  # the client uses these schemas without Redis
    from backend.api_keys import ApiKey


class UsageQuery(BaseModel):
    """The period of the usage."""

    days: int = Field(default=DAYS, ge=1, le=DAYS, description="Number of days, including today.")


class KeyFacts(BaseModel):
    """The API key of the request."""

    id: str = Field(description="Public; the id in the service's logs.")
    name: str
    created_at: datetime
    expires_at: datetime | None = Field(description="When it expires; null for never.")

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        """Make a reply."""
        return cls(
            id=key.id,
            name=key.name,
            created_at=_time(key.created_at),
            expires_at=None if key.expires_at is None else _time(key.expires_at),
        )


class QuotaReply(BaseModel):
    """One quota, in URLs."""

    name: str = Field(description="Its period: `minute`, `day`.")
    limit: int
    window: int = Field(description="The period in seconds; the window slides.")
    used: int
    remaining: int
    reset: int = Field(description="Seconds until more is left; 0 if nothing is used.")


class DayReply(BaseModel):
    """One day, in UTC."""

    day: date
    requests: int = Field(description="Accepted requests that cost something.")
    urls: int = Field(description="Their cost in URLs.")


class UsageReply(BaseModel):
    """The caller's quotas and usage."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "key": {
                        "id": "3f2a9c0d1e4b",
                        "name": "newsroom",
                        "created_at": "2026-01-02T03:04:05Z",
                        "expires_at": None,
                    },
                    "quotas": [
                        {
                            "name": "day",
                            "limit": 100_000,
                            "window": 86_400,
                            "used": 250,
                            "remaining": 99_750,
                            "reset": 51_000,
                        }
                    ],
                    "days": [{"day": "2026-01-02", "requests": 3, "urls": 250}],
                }
            ]
        }
    )

    key: KeyFacts | None = Field(description="Null if none was sent.")
    quotas: list[QuotaReply] = Field(description="Shortest period first; empty if there is none.")
    days: list[DayReply] = Field(
        description="Today first; empty without a key, because usage is counted per key."
    )


def _time(unix: float) -> datetime:
    return datetime.fromtimestamp(int(unix), UTC)
