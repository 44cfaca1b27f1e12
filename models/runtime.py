"""Runs an exported network with OpenVINO.

OpenVINO was the fastest engine for every network. On small ones it equals LiteRT with XNNPACK in
32-bit floats, and is 1.5 times as fast on processors with bfloat16 instructions.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import models.no_telemetry  # noqa: F401  # isort: skip
import numpy as np
import openvino as ov

from models.processor import Precision, fastest_floats, fastest_precision, instructions

if TYPE_CHECKING:
    import mmap

    from numpy.typing import NDArray

THREADS = min(2, os.cpu_count() or 1)
"""Threads per process, with one process per core. On two cores, two processes of two threads run
``clip`` 1.5 times as fast as two of one thread, because they wait for memory at different times."""

GROUP = 192
"""Activations that share a scale when they are rounded to 8 bits: a quarter of a token of CLIP's.
With the whole token, the error of the logits doubles, and the time is the same within 2 %. With
128, it is 5 % slower (``training/README.md``)."""


class Runtime:
    """One exported network, ready to run. Do not share it between threads.

    Args:
        model: the ``.xml`` of an OpenVINO IR. It has one input: uint8 views, or float32 tokens.
        weights: the ``.bin`` beside it. A mapped file is used in place, so processes share it. It
            needs ``ACCESS_COPY``, because OpenVINO takes only what it could write to.
        precision: of the arithmetic. None: the fastest of this processor. ``int8`` needs VNNI, and
            applies to matrices that are stored in 8 bits.
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
        known = instructions()
        precision = precision or fastest_precision(known)
        compiled = _core().compile_model(
            network,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": (
                    fastest_floats(known) if precision == "int8" else precision
                ),
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                # Each token's activations are rounded with scales of their own, so this needs no
                # calibration. Without it, 8-bit matrices are unpacked when they are used: to unpack
                # them all at the start would double the memory of each process.
                "DYNAMIC_QUANTIZATION_GROUP_SIZE": GROUP if precision == "int8" else 0,
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


@lru_cache(maxsize=1)
def _core() -> ov.Core:
    return ov.Core()
