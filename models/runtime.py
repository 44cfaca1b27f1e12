"""Runs an exported member on one core: LiteRT with XNNPACK.

One thread each, because a worker has one process per core: two processes of one thread beat every
threaded or batching arrangement that was measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert.interpreter import Interpreter

if TYPE_CHECKING:
    from models.views import Pixels


class Runtime:
    """One exported member, ready to run; not to be shared between threads.

    Args:
        model: the bytes of a ``.tflite`` file: uint8 views in, one logit for each out.

    Raises:
        ValueError: the bytes are not such a file.
    """

    def __init__(self, model: bytes) -> None:
        self._interpreter = Interpreter(model_content=model, num_threads=1)
        self._interpreter.allocate_tensors()
        (given,) = self._interpreter.get_input_details()
        (answer,) = self._interpreter.get_output_details()
        self._input: int = given["index"]
        self._output: int = answer["index"]
        self.shape: tuple[int, ...] = tuple(int(n) for n in given["shape"])
        """Views per image, height, width, channels."""

    def logit(self, views: Pixels) -> float:
        """Judge one image: the mean logit over its views; positive speaks for AI.

        Args:
            views: shape ``self.shape``, uint8.

        Raises:
            ValueError: the views have another shape or type.
        """
        self._interpreter.set_tensor(self._input, views)
        self._interpreter.invoke()
        return float(np.mean(self._interpreter.get_tensor(self._output)))
