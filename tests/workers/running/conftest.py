"""Settings and stores of a real worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

from models.manifest import load_manifest
from settings import Settings
from tests.conftest import settings_at
from workers.storage.stores import Stores


@pytest.fixture
def settings(tmp_path: Path, valkey_url: str) -> Settings:
    """Settings of a worker with one process, without the slow member."""
    return settings_at(tmp_path, redis_url=valkey_url, worker_processes=1, second_look="never")


@pytest.fixture
def stores(settings: Settings, redis: Redis) -> Stores:
    """Empty stores, of the worker's model version."""
    return Stores(redis, settings, load_manifest().version_for(settings.second_look))
