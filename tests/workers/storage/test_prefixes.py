"""The index of hashes: what a lookup by prefix finds, and how it forgets."""

from __future__ import annotations

import time

import pytest
from redis import Redis

from models.verdict import Verdict
from tests.conftest import stores_of
from tests.workers.storage.test_verdict_cache import ADDRESS, SHA, fail, remember
from workers.fetching.urls import SHORTEST_PREFIX, address_hash
from workers.storage.stores import Stores
from workers.storage.verdict_cache import upload_address

HASH = address_hash(ADDRESS)
PREFIX = HASH[:SHORTEST_PREFIX]
INDEX = f"assay:prefix:test-1:{PREFIX}"


def hashes(stores: Stores, prefix: str = PREFIX) -> list[str]:
    return [match.hash for match in stores.cache.lookup_prefix(prefix)]


def neighbours(count: int) -> list[str]:
    """Return URLs whose hashes begin with the same five digits as the first one's."""
    found: dict[str, list[str]] = {}
    number = 0
    while True:
        url = f"https://example.com/{number}.jpg"
        group = found.setdefault(address_hash(url)[:SHORTEST_PREFIX], [])
        group.append(url)
        if len(group) == count:
            return group
        number += 1


@pytest.mark.parametrize("digits", [5, 6, 40, 64])
def test_a_verdict_is_found_by_any_prefix_of_its_url_s_hash(stores: Stores, digits: int) -> None:
    found = remember(stores)
    (match,) = stores.cache.lookup_prefix(HASH[:digits])
    assert match.hash == HASH
    assert Verdict.model_validate(match.verdict) == found.verdict
    assert match.expires_at == pytest.approx(time.time() + 3600, abs=60)


def test_all_urls_of_a_bucket_are_told_in_the_order_of_their_hashes(stores: Stores) -> None:
    urls = neighbours(2)
    for url in urls:
        remember(stores, url)
    ordered = sorted(map(address_hash, urls))
    assert hashes(stores, ordered[0][:5]) == ordered
    assert hashes(stores, ordered[1]) == ordered[1:]


def test_another_prefix_finds_nothing(stores: Stores) -> None:
    remember(stores)
    other = "0" if HASH[5] != "0" else "1"
    assert hashes(stores, PREFIX + other) == []
    assert hashes(stores, "00000" if PREFIX != "00000" else "11111") == []


def test_an_uploaded_image_is_in_no_bucket(stores: Stores, redis: Redis) -> None:
    address = upload_address(SHA)
    remember(stores, address)
    assert hashes(stores, address_hash(address)) == []
    assert list(redis.scan_iter("assay:prefix:*")) == []


def test_a_url_that_fails_now_is_taken_out(stores: Stores, redis: Redis) -> None:
    remember(stores)
    fail(stores)
    assert hashes(stores) == []
    assert not redis.exists(INDEX)


def test_the_index_is_forgotten_with_what_it_leads_to(stores: Stores, redis: Redis) -> None:
    remember(stores)
    assert redis.ttl(INDEX) == pytest.approx(redis.ttl(f"assay:address:test-1:{HASH}"), abs=2)


def test_what_has_expired_leaves_the_index_when_it_is_next_written(
    stores: Stores, redis: Redis
) -> None:
    first, second = neighbours(2)
    index = f"assay:prefix:test-1:{address_hash(first)[:5]}"
    remember(stores, first)
    redis.zadd(index, {bytes.fromhex(address_hash(first)): time.time() - 1})
    assert hashes(stores, address_hash(first)) == []
    remember(stores, second)
    assert redis.zrange(index, 0, -1) == [bytes.fromhex(address_hash(second))]


def test_what_was_evicted_leaves_the_index_when_it_is_next_read(
    stores: Stores, redis: Redis
) -> None:
    remember(stores)
    redis.delete(f"assay:address:test-1:{HASH}")
    assert hashes(stores) == []
    assert not redis.exists(INDEX)


def test_what_is_found_anew_while_it_is_pruned_stays(
    stores: Stores, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(stores)
    redis.delete(f"assay:address:test-1:{HASH}")
    prune = stores.cache._prune

    def found_meanwhile(**call: object) -> object:
        time.sleep(0.002)  # scores are in milliseconds
        remember(stores)
        return prune(**call)

    monkeypatch.setattr(stores.cache, "_prune", found_meanwhile)
    assert hashes(stores) == []
    assert hashes(stores) == [HASH]


def test_another_model_s_verdicts_are_neither_told_nor_pruned(stores: Stores, redis: Redis) -> None:
    remember(stores)
    newer = stores_of(redis, "test-2")
    assert hashes(newer) == []
    assert hashes(stores) == [HASH]


def test_verdicts_are_found_by_the_bytes_hashes_in_order(stores: Stores) -> None:
    remember(stores)
    first, second, third = stores.cache.verdicts(["cd" * 32, SHA, SHA])
    assert first is None
    assert isinstance(second, Verdict)
    assert second == third
    assert stores.cache.verdicts([]) == []
