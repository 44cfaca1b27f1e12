"""Runs the whole training pipeline: ``python -m training``. A killed run resumes when restarted."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from training.paths import Paths, add_arguments

CONFIGS = Path(__file__).parent / "configs"


def main() -> None:
    """Run each step in its own process, with the options given here.

    First the pipeline makes and evaluates weights that were not trained on ``test``. Then it makes
    the shipped weights in the same way, with the head of ``clip`` fitted to all splits. The light
    members are trained on ``train`` alone.

    Raises:
        subprocess.CalledProcessError: a step failed.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    paths = Paths.of(parser.parse_args())
    measured = ["--weights", str(paths.runs / "measured")]
    steps = [["probe"]]
    steps += [["train", "--config", str(config)] for config in sorted(CONFIGS.glob("*.toml"))]
    steps += [["probe", "--splits", "train", "val"], ["export", *measured]]
    steps += [["calibrate", *measured], ["evaluate", "--test", *measured]]
    steps += [["probe", "--splits", "train", "val", "test"], ["export"], ["calibrate"], ["report"]]
    for module, *options in steps:
        command = [sys.executable, "-m", f"training.{module}", *options, *sys.argv[1:]]
        subprocess.run(command, check=True)  # noqa: S603  # Our own modules.


if __name__ == "__main__":
    main()
