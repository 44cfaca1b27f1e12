"""Draws training pairs of an AI and a real image. All sources are equally likely.

Some pairs are hard: both images are from one source, or a generated image of a site is paired with
a stock photograph of the same polish.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training import kinds
from training.datasets import packs

STAGED = ("builder", "stock")
"""Kinds of AI and real images with the same polish."""

Indices = NDArray[np.int64]


class _Side:
    """Images of one label. All sources are equally likely."""

    def __init__(self, examples: Sequence[packs.Example], indices: Sequence[int]) -> None:
        by_source: dict[str, list[int]] = {}
        for index in indices:
            by_source.setdefault(examples[index].source, []).append(index)
        self.sources = list(by_source.values())

    def draw(self, rng: np.random.Generator) -> int:
        source = self.sources[rng.integers(len(self.sources))]
        return source[rng.integers(len(source))]


class Pairs:
    """The images that pairs are drawn from.

    Args:
        examples: all images.
        indices: of the images to draw from. Both labels occur.
    """

    def __init__(self, examples: Sequence[packs.Example], indices: Indices) -> None:
        kind = kinds.read()

        def side(wanted: Sequence[int], *, ai: bool) -> _Side:
            return _Side(examples, [index for index in wanted if examples[index].ai == ai])

        allowed = [int(index) for index in indices]
        self._all = side(allowed, ai=True), side(allowed, ai=False)
        modern = [index for index in allowed if examples[index].pack == "modern"]
        of_source: dict[str, list[int]] = {}
        for index in modern:
            of_source.setdefault(examples[index].source, []).append(index)
        both = [(side(own, ai=True), side(own, ai=False)) for own in of_source.values()]
        staged = [index for index in modern if kind[examples[index].source] in STAGED]
        self._both = [pair for pair in both if all(each.sources for each in pair)]
        self._staged = side(staged, ai=True), side(staged, ai=False)

    def draw(self, count: int, hard: float, rng: np.random.Generator) -> Indices:
        """Draw pairs: all AI images, then the real ones in the same order.

        Args:
            count: number of pairs.
            hard: probability of a hard pair. Both types of hard pairs are equally likely.
            rng: the only source of randomness.
        """
        drawn = []
        for _ in range(count):
            pool = self._all
            if rng.random() < hard:
                pool = self._hard(rng)
            drawn.append([side.draw(rng) for side in pool])
        return np.array(drawn).T.ravel()

    def _hard(self, rng: np.random.Generator) -> tuple[_Side, _Side]:
        staged = all(side.sources for side in self._staged)
        if self._both and (not staged or rng.random() < 0.5):
            return self._both[rng.integers(len(self._both))]
        return self._staged if staged else self._all
