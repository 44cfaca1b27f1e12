"""Runs an exported member: OpenVINO.

One engine for all members, because it was the fastest for each: equal to LiteRT with XNNPACK on the
small ones in 32-bit floats, and half as fast again where the processor multiplies bfloat16.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import openvino as ov

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.views import Pixels

Precision = Literal["f32", "bf16"]

THREADS = min(2, os.cpu_count() or 1)
"""Of one process, where each core has a process: on two cores, two processes of two threads judge
half as many images again as two of one (``clip``), for they wait for memory at different times."""


class Runtime:
    """One exported member, ready to run; not to be shared between threads.

    Args:
        model: the ``.xml`` of an OpenVINO IR: uint8 views in, one logit for each out.
        weights: the ``.bin`` beside it.
        precision: of the arithmetic; left out, the fastest that the processor has.
        threads: how many it computes with.

    Raises:
        ValueError: the bytes are not such a model.
    """

    def __init__(
        self, model: bytes, weights: bytes, precision: Precision | None = None, threads: int = 1
    ) -> None:
        try:
            network = _core().read_model(model, weights)
        except RuntimeError as error:
            raise ValueError("the bytes are not an OpenVINO model") from error
        compiled = _core().compile_model(
            network,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": precision or fastest_precision(),
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                # Matrices kept in 8 bits are unpacked as they are used. To unpack them all at the
                # start saves a fifth of the time, and costs each process twice the memory. To
                # round activations as well, as is the default with such matrices, saves nothing.
                "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
            },
        )
        self._request = compiled.create_infer_request()
        self.shape: tuple[int, ...] = tuple(compiled.input(0).shape)
        """Views per image, height, width, channels."""

    def logit(self, views: Pixels) -> float:
        """Judge one image: the mean logit over its views; positive speaks for AI.

        Args:
            views: shape ``self.shape``, uint8.

        Raises:
            ValueError: the views have another shape or type.
        """
        return float(np.mean(self.answer(views)))

    def answer(self, views: Pixels) -> NDArray[np.float32]:
        """Return what the model says of each view, shape (views, …).

        Raises:
            ValueError: the views have another shape or type.
        """
        if views.shape != self.shape or views.dtype != np.uint8:
            raise ValueError(f"expected {self.shape} uint8, got {views.shape} {views.dtype}")
        (answers,) = self._request.infer([views]).values()
        copied: NDArray[np.float32] = np.array(answers, np.float32)
        return copied


def fastest_precision() -> Precision:
    """Return ``bf16`` where the processor has instructions for it, else ``f32``."""
    return "bf16" if "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


@lru_cache(maxsize=1)
def _core() -> ov.Core:
    return ov.Core()
