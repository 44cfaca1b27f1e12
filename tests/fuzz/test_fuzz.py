"""Fuzz each target for ten seconds; `make fuzz` does it for as long as one likes."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.seeds import write_seeds

SECONDS = 10
LIMITS = (
    "-timeout=60",  # wall-clock seconds for one input, on a machine that does much else
    "-rss_limit_mb=1500",
    "-max_len=16384",
    "-print_final_stats=1",
)

pytestmark = pytest.mark.skipif(
    find_spec("atheris") is None, reason="atheris has no build for this machine or Python"
)


@pytest.mark.parametrize("target", ["decode", "metadata", "pages"])
def test_no_input_is_found_that_breaks(target: str, tmp_path: Path) -> None:
    seeds, found = tmp_path / "seeds", tmp_path / "found-"
    write_seeds(seeds)
    run = subprocess.run(
        [
            # It forks once more: else libFuzzer would count the tests' own peak of memory, which
            # Linux hands on to what a process executes.
            *("timeout", "200"),
            *(sys.executable, "-m", "tests.fuzz.run", target, str(tmp_path / "corpus"), str(seeds)),
            *(*LIMITS, f"-max_total_time={SECONDS}", f"-artifact_prefix={found}"),
        ],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=240,
    )
    inputs = [str(path) for path in tmp_path.glob("found-*")]
    assert run.returncode == 0, f"{inputs} broke it:\n{run.stderr[-4000:]}"
    assert "stat::number_of_executed_units" in run.stderr


def test_a_target_that_breaks_is_noticed_and_the_input_is_saved(tmp_path: Path) -> None:
    write_seeds(tmp_path / "seeds")
    broken = "from tests.fuzz import run; run.TARGETS['decode'] = lambda data: 1 / len(data[:0])"
    run = subprocess.run(
        [
            *(sys.executable, "-c", f"{broken}; run.main(['run', *__import__('sys').argv[1:]])"),
            *("decode", str(tmp_path / "seeds"), "-max_total_time=5"),
            f"-artifact_prefix={tmp_path / 'found-'}",
        ],
        capture_output=True,
        timeout=120,
    )
    assert run.returncode != 0
    assert list(tmp_path.glob("found-crash-*"))
