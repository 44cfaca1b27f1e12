"""Training pairs: both labels, every source, hard pairs."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from training import kinds
from training.datasets.packs import Example
from training.pairs import Pairs

KINDS = {"quiz": "quiz", "shop": "builder", "stock": "stock", "walks": "portfolio"}


def example(source: str, *, ai: bool, pack: str = "modern") -> Example:
    return Example(pack, "x.webp", ai, "photo", source, "")


EXAMPLES = [
    *[example("quiz", ai=True)] * 3,
    *[example("quiz", ai=False)] * 2,
    *[example("shop", ai=True)] * 9,
    *[example("stock", ai=False)] * 4,
    *[example("walks", ai=False)] * 30,
    *[example("old", ai=True, pack="images")] * 2,
]
EVERY = np.arange(len(EXAMPLES))


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "read", lambda: KINDS)


def draw(hard: float, indices: np.ndarray = EVERY, count: int = 3000) -> list[Example]:
    drawn = Pairs(EXAMPLES, indices).draw(count, hard, np.random.default_rng(0))
    return [EXAMPLES[index] for index in drawn]


def test_the_first_half_is_ai_and_the_other_real() -> None:
    drawn = draw(0.5, count=50)

    assert [example.ai for example in drawn] == [True] * 50 + [False] * 50


def test_every_source_has_the_same_chance() -> None:
    counts = Counter(example.source for example in draw(0.0)[3000:])

    assert set(counts) == {"quiz", "stock", "walks"}
    assert all(count == pytest.approx(1000, abs=120) for count in counts.values())


def test_a_hard_pair_is_of_one_source_or_staged() -> None:
    drawn = draw(1.0)
    pairs = Counter(zip(drawn[:3000], drawn[3000:], strict=True))
    sources = Counter()
    for (one, other), count in pairs.items():
        sources[one.source, other.source] += count

    assert set(sources) == {("quiz", "quiz"), ("shop", "stock")}
    assert sources["quiz", "quiz"] == pytest.approx(1500, abs=150)


def test_nothing_is_drawn_that_is_held_out() -> None:
    allowed = np.array([at for at in EVERY if EXAMPLES[at].source != "quiz"])

    assert "quiz" not in {example.source for example in draw(0.5, allowed)}


def test_without_hard_pairs_all_others_are_drawn() -> None:
    allowed = np.array([at for at in EVERY if EXAMPLES[at].source in ("walks", "old")])

    assert {example.source for example in draw(1.0, allowed)} == {"walks", "old"}
