"""Runs an exported network with OpenVINO.

OpenVINO was the fastest engine for every network. On small ones it equals LiteRT with XNNPACK in
32-bit floats, and is 1.5 times as fast on processors with bfloat16 instructions.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import models.no_telemetry  # noqa: F401  # isort: skip
import numpy as np
import openvino as ov

if TYPE_CHECKING:
    import mmap

    from numpy.typing import NDArray

Precision = Literal["f32", "bf16"]

THREADS = min(2, os.cpu_count() or 1)
"""Threads per process, with one process per core. On two cores, two processes of two threads run
``clip`` 1.5 times as fast as two of one thread, because they wait for memory at different times."""


class Runtime:
    """One exported network, ready to run. Do not share it between threads.

    Args:
        model: the ``.xml`` of an OpenVINO IR. It has one input: uint8 views, or float32 tokens.
        weights: the ``.bin`` beside it. A mapped file is used in place, so processes share it. It
            needs ``ACCESS_COPY``, because OpenVINO takes only what it could write to.
        precision: of the arithmetic. None: the fastest that the processor supports.
        threads: number of threads for one inference.

    Raises:
        ValueError: the bytes are not an OpenVINO model.
    """

    def __init__(
        self,
        model: bytes | mmap.mmap,
        weights: bytes | mmap.mmap,
        precision: Precision | None = None,
        threads: int = 1,
    ) -> None:
        # The network points into this memory, but does not keep it alive.
        self._weights = np.require(np.frombuffer(weights, np.uint8), requirements="W")
        try:
            network = _core().read_model(
                bytes(model).decode(), ov.Tensor(self._weights, shared_memory=True)
            )
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
        given = compiled.input(0)
        self.shape: tuple[int, ...] = tuple(given.shape)
        """Of the input, e.g. views per image, height, width, channels."""
        self._dtype = given.element_type.to_dtype()

    def run(self, given: NDArray[Any]) -> list[NDArray[np.float32]]:
        """Return the network's outputs.

        Args:
            given: the input, shape ``self.shape``.

        Raises:
            ValueError: the input has another shape or type.
        """
        if given.shape != self.shape or given.dtype != self._dtype:
            wanted = f"{self.shape} {self._dtype}"
            raise ValueError(f"expected {wanted}, got {given.shape} {given.dtype}")
        outputs = self._request.infer([given]).to_tuple()
        return [np.array(output, np.float32) for output in outputs]


def fastest_precision() -> Precision:
    """Return ``bf16`` if the processor has instructions for it, else ``f32``."""
    return "bf16" if "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


@lru_cache(maxsize=1)
def _core() -> ov.Core:
    return ov.Core()
