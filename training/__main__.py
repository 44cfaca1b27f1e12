"""Drives the whole road: ``python -m training``. Killed and run again, it goes on."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from training.places import Places, add_arguments

CONFIGS = Path(__file__).parent / "configs"


def main() -> None:
    """Run every step in a process of its own; the options given here go to each of them.

    First the weights that are measured, which have not seen ``test``. Then, by the same recipe,
    those that are shipped: the head of ``clip`` sees every split. The light members see ``train``.

    Raises:
        subprocess.CalledProcessError: a step failed.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    places = Places.of(parser.parse_args())
    measured = ["--weights", str(places.runs / "measured")]
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
