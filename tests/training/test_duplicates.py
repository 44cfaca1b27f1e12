"""The search finds the same near duplicates as a comparison of all pairs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from training.datasets.duplicates import DIFFERENCE, DISTANCE, near_pairs

THUMBNAIL = (2, 2, 3)


def flipped(hash_: int, bits: set[int]) -> int:
    return hash_ ^ sum(1 << bit for bit in bits)


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sets(st.integers(0, 63), max_size=6), st.integers(0, 9)),
        max_size=12,
    )
)
@settings(max_examples=200, deadline=None)
def test_no_pair_is_missed_and_none_is_invented(
    images: list[tuple[int, set[int], int]],
) -> None:
    roots = (0, 2**64 - 1, 0x0F0F_1234_5678_9ABC)
    hashes = [flipped(roots[root], bits) for root, bits, _ in images]
    shades = [shade for _, _, shade in images]
    thumbnails = np.array([np.full(THUMBNAIL, shade, np.uint8) for shade in shades], np.uint8)
    expected = [
        [one, other]
        for one in range(len(images))
        for other in range(one + 1, len(images))
        if (hashes[one] ^ hashes[other]).bit_count() <= DISTANCE
        and abs(shades[one] - shades[other]) <= DIFFERENCE
    ]
    found = near_pairs(np.array(hashes, np.uint64), thumbnails.reshape(-1, *THUMBNAIL))

    assert found.tolist() == expected


def test_many_copies_are_all_found() -> None:
    found = near_pairs(np.full(60, 7, np.uint64), np.zeros((60, *THUMBNAIL), np.uint8))

    assert len(found) == 60 * 59 // 2
