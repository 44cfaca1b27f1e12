"""Which judged images are found by their perceptual hash."""

from __future__ import annotations

import random

import pytest
from redis import Redis

from tests.conftest import stores_of
from tests.workers.storage.test_verdict_cache import a_verdict
from workers.storage import similar
from workers.storage.stores import Stores

HASH = 0x0123456789ABCDEF


def judge(stores: Stores, image_hash: int | None, number: int) -> list[tuple[int, int]]:
    """Judge the image of a number. Return number and distance of the images that it looks like."""
    verdict = a_verdict(f"{number:064x}")
    digits = None if image_hash is None else f"{image_hash:016x}"
    image = verdict.image.model_copy(update={"perceptual_hash": digits})
    saved = stores.similar.save(verdict.model_copy(update={"image": image}))
    return [(int(each.sha256, 16), each.distance) for each in saved.similar]


def flipped(image_hash: int, places: list[int]) -> int:
    for place in places:
        image_hash ^= 1 << place
    return image_hash


def test_nothing_looks_like_the_first_image(stores: Stores) -> None:
    assert judge(stores, HASH, 1) == []


def test_similar_images_are_named_the_most_similar_first(stores: Stores) -> None:
    judge(stores, HASH, 1)
    judge(stores, HASH ^ 1, 2)
    assert judge(stores, HASH ^ 1, 3) == [(2, 0), (1, 1)]


def test_an_image_judged_again_does_not_look_like_itself(stores: Stores) -> None:
    judge(stores, HASH, 1)
    assert judge(stores, HASH, 1) == []


def test_every_image_that_differs_in_seven_bits_is_found(stores: Stores) -> None:
    rng = random.Random(0)
    for number in range(100, 150):
        stores.redis.flushdb()
        judge(stores, HASH, 1)
        assert judge(stores, flipped(HASH, rng.sample(range(64), 7)), number) == [(1, 7)]


def test_an_image_that_differs_in_eleven_bits_is_not_similar(stores: Stores) -> None:
    judge(stores, HASH, 1)
    assert judge(stores, HASH ^ 0x7FF, 2) == []


def test_images_without_a_hash_are_like_none(stores: Stores) -> None:
    judge(stores, None, 1)
    assert judge(stores, None, 2) == []


def test_an_image_without_a_verdict_is_not_named(stores: Stores, redis: Redis) -> None:
    judge(stores, HASH, 1)
    (key,) = redis.keys("assay:verdict:*")
    redis.delete(key)
    assert judge(stores, HASH, 2) == []


def test_another_model_version_sees_none(stores: Stores, redis: Redis) -> None:
    judge(stores, HASH, 1)
    assert judge(stores_of(redis, "other-model"), HASH, 2) == []


def test_few_are_named_and_few_kept(
    stores: Stores, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar, "MOST_IN_BUCKET", 5)
    for number in range(1, 9):
        judge(stores, HASH, number)
    buckets = redis.keys("assay:similar:*")
    assert [redis.zcard(bucket) for bucket in buckets] == [5] * 4
    assert judge(stores, HASH, 9) == [(4, 0), (5, 0), (6, 0)]


def test_the_index_expires_with_the_verdicts(stores: Stores, redis: Redis) -> None:
    judge(stores, HASH, 1)
    assert all(redis.ttl(key) > 0 for key in redis.keys("assay:similar:*"))
