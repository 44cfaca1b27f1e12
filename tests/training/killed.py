"""A training that is killed after its first epoch."""

from __future__ import annotations

import subprocess
import sys

from training.places import Places
from training.train import Schedule

_DYING_RUN = """
import os, sys
from importlib import import_module
from pathlib import Path
from training.places import Places
from training.train import Checkpoint

keep = Checkpoint.on_epoch_end

def keep_and_die(self, epoch, logs):
    keep(self, epoch, logs)
    os._exit(9)

Checkpoint.on_epoch_end = keep_and_die
name, config, data, runs = sys.argv[1:]
module = import_module(name)
module.train(module.Config.model_validate_json(config), Places(Path(data), Path(runs)))
"""


def kill_after_an_epoch(module: str, config: Schedule, places: Places) -> None:
    """Run ``train`` of a module in a process of its own, and end that when it has kept an epoch."""
    arguments = [module, config.model_dump_json(), str(places.data), str(places.runs)]
    killed = subprocess.run([sys.executable, "-c", _DYING_RUN, *arguments], capture_output=True)
    assert killed.returncode == 9, killed.stderr.decode()
