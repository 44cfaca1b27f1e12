"""In which arithmetic this machine's processor runs the networks fastest.

This module imports no runtime, so that a process without models can tell it too.
"""

from __future__ import annotations

import re
from collections.abc import Set
from functools import lru_cache
from pathlib import Path
from typing import Literal

FloatPrecision = Literal["f32", "bf16"]

Precision = Literal["f32", "bf16", "int8"]
"""``int8``: products with large matrices in 8-bit integers, all else in the fastest floats."""

CPUINFO = Path("/proc/cpuinfo")


def fastest_precision(instructions: Set[str]) -> Precision:
    """Return the fastest precision of a processor.

    =====================  =========  ==============================================================
    instructions           precision  why
    =====================  =========  ==============================================================
    AMX                    ``bf16``   its products of bfloat16 matrices are as fast
    AVX-512 VNNI, no AMX   ``int8``   1.8 times as fast as bfloat16, 2.8 times as 32-bit floats
    all others             ``f32``    sums of 8-bit products could overflow, or are slow
    =====================  =========  ==============================================================

    Args:
        instructions: from ``instructions``.
    """
    if "amx_bf16" in instructions:
        return "bf16"
    return "int8" if "avx512_vnni" in instructions else "f32"


def fastest_floats(instructions: Set[str]) -> FloatPrecision:
    """Return ``bf16`` if the processor multiplies such numbers, else ``f32``."""
    return "bf16" if instructions & {"amx_bf16", "avx512_bf16"} else "f32"


@lru_cache(maxsize=1)
def instructions(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """Return the processor's instruction sets, by their names in Linux.

    It is empty on other systems, and on processors other than x86.
    """
    try:
        flags = re.search(r"^flags\s*:(.*)", cpuinfo.read_text(), re.MULTILINE)
    except OSError:
        return frozenset()
    return frozenset(flags[1].split()) if flags else frozenset()
