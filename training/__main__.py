"""Drives the whole road: ``python -m training``. Killed and run again, it goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CONFIGS = Path(__file__).parent / "configs"


def main() -> None:
    """Run every step in a process of its own; the options given here go to each of them.

    Raises:
        subprocess.CalledProcessError: a step failed.
    """
    steps = [["train", "--config", str(config)] for config in sorted(CONFIGS.glob("*.toml"))]
    steps += [["export"], ["calibrate"], ["evaluate", "--test"], ["report"]]
    for module, *options in steps:
        command = [sys.executable, "-m", f"training.{module}", *options, *sys.argv[1:]]
        subprocess.run(command, check=True)  # noqa: S603  # Our own modules.


if __name__ == "__main__":
    main()
