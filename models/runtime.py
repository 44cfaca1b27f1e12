"""Runs an exported member with OpenVINO.

OpenVINO was the fastest engine for every member. On the small ones it equals LiteRT with XNNPACK in
32-bit floats, and is 1.5 times as fast on processors with bfloat16 instructions.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import models.no_telemetry  # noqa: F401  # isort: skip
import numpy as np
import openvino as ov

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.views import Pixels

Precision = Literal["f32", "bf16"]

THREADS = min(2, os.cpu_count() or 1)
"""Threads per process, with one process per core. On two cores, two processes of two threads run
``clip`` 1.5 times as fast as two of one thread, because they wait for memory at different times."""


class Runtime:
    """One exported member, ready to run. Do not share it between threads.

    Args:
        model: the ``.xml`` of an OpenVINO IR. Input: uint8 views. Output: one logit per view.
        weights: the ``.bin`` beside it.
        precision: of the arithmetic. None: the fastest that the processor supports.
        threads: number of threads for one inference.

    Raises:
        ValueError: the bytes are not an OpenVINO model.
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
                # 8-bit matrices are unpacked when they are used. Unpacking them all at the start
                # saves a fifth of the time, but doubles the memory of each process. Quantising
                # activations as well (the default with such matrices) saves nothing.
                "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
            },
        )
        self._request = compiled.create_infer_request()
        self.shape: tuple[int, ...] = tuple(compiled.input(0).shape)
        """Views per image, height, width, channels."""

    def logit(self, views: Pixels) -> float:
        """Return the mean logit over an image's views. A positive logit speaks for AI.

        Args:
            views: shape ``self.shape``, uint8.

        Raises:
            ValueError: the views have another shape or type.
        """
        return float(np.mean(self.answer(views)))

    def answer(self, views: Pixels) -> NDArray[np.float32]:
        """Return the model's output for each view, shape (views, …).

        Raises:
            ValueError: the views have another shape or type.
        """
        if views.shape != self.shape or views.dtype != np.uint8:
            raise ValueError(f"expected {self.shape} uint8, got {views.shape} {views.dtype}")
        (answers,) = self._request.infer([views]).values()
        copied: NDArray[np.float32] = np.array(answers, np.float32)
        return copied


def fastest_precision() -> Precision:
    """Return ``bf16`` if the processor has instructions for it, else ``f32``."""
    return "bf16" if "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


@lru_cache(maxsize=1)
def _core() -> ov.Core:
    return ov.Core()
