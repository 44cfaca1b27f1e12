"""All settings of Assay. They are read from the environment and validated at start."""

from __future__ import annotations

import os
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _split_on_commas(value: object) -> object:
    """Split an environment variable of the form ``a,b,c``."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _default_data_dir() -> Path:
    """Return this application's data directory (XDG Base Directory Specification 0.8)."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "assay"


Networks = Annotated[
    tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_split_on_commas)
]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_on_commas)]

_QUOTAS = r"^[1-9]\d*/(second|minute|hour|day)(;[1-9]\d*/(second|minute|hour|day))*$"

CascadeMode = Literal["auto", "always", "never"]
"""Which members run. ``always``: ``clip_shallow``, and ``clip`` where it is unsure. ``never``: the
light members alone. ``auto``: the light members, and the others as in ``always`` where the light
ones are unsure."""


class Settings(BaseSettings):
    """The settings; each field is the environment variable ``ASSAY_<FIELD>``."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", frozen=True)

    redis_url: str | None = Field(
        default=None,
        pattern=r"^(rediss?://.+|redis\+sentinel://[^/?#]+/[^/?#]+|redis\+cluster://[^/?#]+)$",
        description="URL of the Redis or Valkey that stores verdicts. Unset: an embedded Valkey.",
    )
    redis_memory: str = Field(
        default="1gb",
        pattern=r"^[1-9]\d*[mg]b$",
        description="Memory limit of the embedded Valkey, e.g. `512mb`. "
        "At the limit, cached verdicts are evicted.",
    )
    broker_url: str | None = Field(
        default=None,
        pattern=r"^(rediss?|redis\+sentinel|amqps?)://.+$",
        validate_default=True,
        description="URL of the Celery broker, a Redis or RabbitMQ. Unset: the same Redis.",
    )
    data_dir: Path = Field(
        default_factory=_default_data_dir,
        description="Directory for the embedded Valkey, pending uploads and logs.",
    )
    bind: str = Field(
        default="127.0.0.1:8750",
        pattern=r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$",
        description="Address and port of the API.",
    )
    fetch_allow_nets: Networks = Field(
        default=(),
        description="Non-public networks (CIDRs) from which images may be fetched.",
    )
    allowed_origins: Words = Field(
        default=(),
        description="Web origins whose pages may call the API, in addition to the extension's.",
    )
    allowed_hosts: Words = Field(
        default=(),
        description="Host names for which the API answers, in addition to loopback and the bound "
        "address.",
    )
    require_key: bool = Field(default=False, description="Whether every request needs an API key.")
    rate_limit: str | None = Field(
        default=None,
        pattern=_QUOTAS,
        description="URLs that one caller may check, e.g. `600/minute;20000/day`. "
        "Unset: 600/minute;100000/day with a key, no limit without one.",
    )
    api_key: str | None = Field(
        default=None,
        pattern=r"^[!-~]+$",
        repr=False,
        description="The API key that `assay check` and `assay scan` send to a server.",
    )
    verdict_ttl: int = Field(
        default=30 * 24 * 3600, ge=60, description="Seconds until a verdict expires."
    )
    revalidate_after: int = Field(
        default=24 * 3600,
        ge=1,
        description="Seconds after which a check fetches a URL again, to see if its image changed.",
    )
    failure_ttl: int = Field(
        default=300, ge=1, description="Seconds until a cached failure expires."
    )
    worker_processes: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="Processes per worker. Unset: one per core.",
    )
    second_look: CascadeMode = Field(
        default="always",
        description="When CLIP runs: `always`, `never`, `auto` (if the light members doubt).",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The lowest level that is logged."
    )

    @field_validator("rate_limit")
    @classmethod
    def _each_period_once(cls, quotas: str | None) -> str | None:
        """Reject two quotas for the same period."""
        periods = [quota.partition("/")[2] for quota in (quotas or "").split(";")]
        if len(set(periods)) < len(periods):
            raise ValueError("it names a period twice")
        return quotas

    @field_validator("broker_url")
    @classmethod
    def _cluster_needs_a_broker(cls, url: str | None, info: ValidationInfo) -> str | None:
        """Require a broker with a Redis Cluster, for which Celery has no transport."""
        if url is None and (info.data.get("redis_url") or "").startswith("redis+cluster:"):
            raise ValueError("a Redis Cluster cannot be the broker; set ASSAY_BROKER_URL")
        return url


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Read and validate the environment once.

    Raises:
        pydantic.ValidationError: a variable has an invalid value.
    """
    return Settings()
