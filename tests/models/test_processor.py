"""Which arithmetic a processor gets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from models.processor import (
    FloatPrecision,
    Precision,
    fastest_floats,
    fastest_precision,
    instructions,
)

ICE_LAKE = "avx2 avx512f avx512_vnni"
ZEN_4 = f"{ICE_LAKE} avx512_bf16"
SAPPHIRE_RAPIDS = f"{ZEN_4} amx_bf16 amx_tile amx_int8"


@pytest.mark.parametrize(
    ("flags", "precision", "floats"),
    [
        ("avx2 avx512f", "f32", "f32"),
        ("avx2 avx_vnni", "f32", "f32"),
        (ICE_LAKE, "int8", "f32"),
        (ZEN_4, "int8", "bf16"),
        (SAPPHIRE_RAPIDS, "bf16", "bf16"),
    ],
)
def test_a_processor_computes_in_what_it_does_fastest(
    flags: str, precision: Precision, floats: FloatPrecision, tmp_path: Path
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"model name\t: some\nflags\t\t: fpu {flags}\nbugs\t\t:\n" * 2)
    known = instructions(cpuinfo)

    assert fastest_precision(known) == precision
    assert fastest_floats(known) == floats


def test_a_system_that_does_not_tell_its_instructions_computes_in_floats(tmp_path: Path) -> None:
    arm = tmp_path / "cpuinfo"
    arm.write_text("Features\t: fp asimd bf16 i8mm\n")

    for unknown in (arm, tmp_path / "missing"):
        assert fastest_precision(instructions(unknown)) == "f32"
        assert fastest_floats(instructions(unknown)) == "f32"


def test_asking_loads_no_runtime() -> None:
    program = (
        "import sys; from models.processor import fastest_precision, instructions;"
        "fastest_precision(instructions());"
        "assert 'openvino' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
