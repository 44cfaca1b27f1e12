"""Makes networks so small that they are trained in a second, and kills such a training."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import Any

import keras
import pytest

from models.members import clip, cnn
from training import export, features
from training.paths import Paths
from training.train import Config

_DYING_RUN = """
import os, sys
from pathlib import Path
import pytest
from tests.training.small_network import make_small
from training.paths import Paths
from training.train import Checkpoint, Config, train

keep = Checkpoint.on_epoch_end

def keep_and_die(self, epoch, logs):
    keep(self, epoch, logs)
    os._exit(9)

Checkpoint.on_epoch_end = keep_and_die
make_small(pytest.MonkeyPatch())
config, data, runs = sys.argv[1:]
train(Config.model_validate_json(config), Paths(Path(data), Path(runs)))
"""


def make_small(patch: pytest.MonkeyPatch) -> None:
    """Let `cnn` have few layers, no dropout, whose noise no checkpoint keeps, and no graph.

    TensorFlow takes longer to trace a graph than to train without one.
    """
    patch.setattr(cnn, "build", partial(cnn.build, stem_width=8, stages=((1, 16),)))
    patch.setattr(keras.layers.Dropout, "call", _unchanged)
    patch.setattr(keras.Model, "run_eagerly", property(lambda _: True, lambda *_: None))


ENCODER_WIDTH = 6


def make_narrow(patch: pytest.MonkeyPatch) -> None:
    """Let the CLIP encoder be narrow, with few patches and random weights."""
    sizes = {"WIDTH": ENCODER_WIDTH, "PATCH": 56, "PATCHES": 16, "HEADS": 2}
    for name, value in sizes.items():
        patch.setattr(clip, name, value)
    for module in (export, features):
        patch.setattr(module, "fetch_file", lambda folder: folder)
        patch.setattr(module, "read_arrays", lambda _: {})
        patch.setattr(module, "load_clip", lambda *_: None)


def _unchanged(_layer: keras.layers.Dropout, inputs: Any, training: bool = False) -> Any:  # noqa: ARG001
    return inputs


def kill_after_an_epoch(config: Config, paths: Paths) -> None:
    """Run ``train`` of a small `cnn` in a process of its own, which ends after one epoch."""
    arguments = [config.model_dump_json(), str(paths.data), str(paths.runs)]
    killed = subprocess.run([sys.executable, "-c", _DYING_RUN, *arguments], capture_output=True)
    assert killed.returncode == 9, killed.stderr.decode()
