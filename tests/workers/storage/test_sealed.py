"""Sealed values: served as they are stored if the seal is right, validated if not."""

from __future__ import annotations

import json

import pytest
from redis import Redis

from models.verdict import Verdict
from tests.workers.storage.test_verdict_cache import ADDRESS, SHA, a_verdict, remember
from workers.fetching.urls import address_hash
from workers.storage import sealed
from workers.storage.sealed import seal, unseal
from workers.storage.stores import Stores
from workers.storage.verdict_cache import CacheEntry

KEYS = (f"assay:address:test-1:{address_hash(ADDRESS)}", f"assay:verdict:test-1:{SHA}")
AS_SERVED = a_verdict().model_dump(mode="json", exclude_none=True)


def test_what_is_sealed_is_returned_without_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = seal(verdict := a_verdict())
    monkeypatch.setattr(Verdict, "model_validate_json", lambda _: pytest.fail("validated"))
    assert unseal(raw, Verdict) == verdict.model_dump(mode="json", exclude_none=True)


def test_it_is_json_that_a_release_without_seals_reads_too() -> None:
    assert Verdict.model_validate_json(seal(verdict := a_verdict())) == verdict


def test_what_another_release_wrote_is_read_and_gets_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    older = {name: value for name, value in AS_SERVED.items() if name not in ("similar", "lean")}
    found = unseal(json.dumps(older).encode(), Verdict)
    assert found == AS_SERVED
    with monkeypatch.context() as patched:
        patched.setattr(sealed, "version", lambda _: "0.0.1")
        sealed._writer.cache_clear()
        raw = seal(Verdict.model_validate(older))
    sealed._writer.cache_clear()
    assert unseal(raw, Verdict) == AS_SERVED


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"probability":0.93', b'"probability":9.93'),
        (b'"ai"', b'"no"'),
        (b"{", b""),
        (b"}", b""),
        (b'"label"', b'"lapel"'),
        (b'"width":640', b'"width":"<script>"'),
    ],
)
def test_what_is_damaged_or_forged_is_a_miss(
    stores: Stores, redis: Redis, old: bytes, new: bytes
) -> None:
    remember(stores)
    for key in KEYS:
        raw = redis.get(key)
        assert isinstance(raw, bytes)
        assert old in raw
        redis.set(key, raw.replace(old, new))
    assert stores.cache.lookup([ADDRESS]) == stores.cache.stored([ADDRESS]) == [None]
    assert stores.cache.verdict(SHA) is None
    assert stores.cache.lookup_prefix(address_hash(ADDRESS)) == []


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"null", b'{"seal":"', b"\xff" * 60])
def test_what_is_no_value_is_a_miss(raw: bytes) -> None:
    assert unseal(raw, CacheEntry) is None
    assert unseal(raw, Verdict) is None


def test_the_seal_of_one_model_is_not_another_s() -> None:
    assert unseal(seal(a_verdict()), CacheEntry) is None
