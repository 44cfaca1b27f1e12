"""Every setting of Assay, read from the environment (prefix ``ASSAY_``) and validated at start."""

from __future__ import annotations

import os
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _split_on_commas(value: object) -> object:
    """Let an environment variable hold a list as ``a,b,c``."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _default_data_dir() -> Path:
    """Return the XDG base directory for this application's data (XDG Base Directory 0.8)."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "assay"


Networks = Annotated[
    tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_split_on_commas)
]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_on_commas)]

_QUOTAS = r"^[1-9]\d*/(second|minute|hour|day)(;[1-9]\d*/(second|minute|hour|day))*$"

SecondLook = Literal["auto", "always", "never"]
"""When the slow and strong member looks as well: if the light ones doubt, always, or never."""


class Settings(BaseSettings):
    """The settings; each field is the environment variable ``ASSAY_<FIELD>``."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", frozen=True)

    redis_url: str | None = Field(
        default=None,
        pattern=r"^(rediss?://.+|redis\+sentinel://[^/?#]+/[^/?#]+|redis\+cluster://[^/?#]+)$",
        description="The Redis or Valkey that holds verdicts. Unset: an embedded Valkey.",
    )
    redis_memory: str = Field(
        default="1gb",
        pattern=r"^[1-9]\d*[mg]b$",
        description="What the embedded Valkey may use, as `512mb`; then cached verdicts make room.",
    )
    broker_url: str | None = Field(
        default=None,
        pattern=r"^(rediss?|redis\+sentinel|amqps?)://.+$",
        validate_default=True,
        description="The Celery broker, a Redis or RabbitMQ. Unset: the same Redis.",
    )
    data_dir: Path = Field(
        default_factory=_default_data_dir,
        description="Where the embedded Valkey, uploads in transit and logs live.",
    )
    bind: str = Field(
        default="127.0.0.1:8750",
        pattern=r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$",
        description="The address and port that the API listens on.",
    )
    fetch_allow_nets: Networks = Field(
        default=(),
        description="Networks (CIDRs) that may be fetched from although they are not public.",
    )
    allowed_origins: Words = Field(
        default=(),
        description="Web origins, beside the extension's own, whose pages may call the API.",
    )
    allowed_hosts: Words = Field(
        default=(),
        description="Host names, beside loopback's and the bound one, under which the API answers.",
    )
    require_key: bool = Field(
        default=False, description="Whether the API answers only those who send an API key."
    )
    rate_limit: str | None = Field(
        default=None,
        pattern=_QUOTAS,
        description="URLs that one caller may have judged, as `600/minute;20000/day`. "
        "Unset: 600/minute;100000/day with a key, and no limit without one.",
    )
    api_key: str | None = Field(
        default=None,
        pattern=r"^[!-~]+$",
        repr=False,
        description="The API key that `assay check` and `assay scan` send to a server.",
    )
    verdict_ttl: int = Field(
        default=30 * 24 * 3600, ge=60, description="Seconds that a verdict is kept."
    )
    revalidate_after: int = Field(
        default=24 * 3600,
        ge=1,
        description="Seconds after which a check asks the web again whether a URL's image changed.",
    )
    failure_ttl: int = Field(
        default=300, ge=1, description="Seconds that a failure to fetch or judge is remembered."
    )
    worker_processes: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="Processes of one worker. Unset: one per core.",
    )
    second_look: SecondLook = Field(
        default="always",
        description="When `clip` judges as well: `always`, `never`, or if the light members doubt.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least severe log line that is written."
    )

    @field_validator("rate_limit")
    @classmethod
    def _each_period_once(cls, quotas: str | None) -> str | None:
        """Refuse two quotas of one period, of which one could only mislead."""
        periods = [quota.partition("/")[2] for quota in (quotas or "").split(";")]
        if len(set(periods)) < len(periods):
            raise ValueError("it names a period twice")
        return quotas

    @field_validator("broker_url")
    @classmethod
    def _cluster_is_no_broker(cls, url: str | None, info: ValidationInfo) -> str | None:
        """Ask for a broker where the store is a cluster: Celery has no transport for one."""
        if url is None and (info.data.get("redis_url") or "").startswith("redis+cluster:"):
            raise ValueError("a Redis Cluster cannot be the broker, so another must be named")
        return url


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Read and validate the environment once.

    Raises:
        pydantic.ValidationError: a variable has a value that cannot be.
    """
    return Settings()
