"""Runs the whole training pipeline: ``python -m training``. A killed run resumes when restarted."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from training.paths import Paths, add_arguments

CONFIGS = sorted((Path(__file__).parent / "configs").glob("*.toml"))

STEPS: tuple[tuple[str, ...], ...] = (
    ("features",),
    ("probe",),
    *(("train", "--config", str(config)) for config in CONFIGS),
    ("export",),
    ("calibrate",),
    ("parts",),
    ("contributions",),
    ("evaluate", "--test"),
    ("report",),
)
"""Module and options of each step. ``test`` is read once, by the evaluation at the end."""


def main() -> None:
    """Run each step in its own process, with the options given here, and print its minutes.

    Raises:
        subprocess.CalledProcessError: a step failed.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    Paths.of(parser.parse_args())
    for module, *options in STEPS:
        command = [sys.executable, "-m", f"training.{module}", *options, *sys.argv[1:]]
        started = time.monotonic()
        subprocess.run(command, check=True)  # noqa: S603  # Our own modules.
        print(f"{module}: {(time.monotonic() - started) / 60:.1f} minutes", flush=True)


if __name__ == "__main__":
    main()
