"""A small network that looks for traces of generation in crops.

Residual blocks of depthwise-separable convolutions after Xception (Chollet, arXiv:1610.02357),
which held up best among the networks that FaceForensics++ compared on recompressed images (Rössler
et al., arXiv:1901.08971). Trained from scratch.
"""

from __future__ import annotations

from typing import NamedTuple

import keras
from keras import layers

from models.views import CROPS


class Stage(NamedTuple):
    """Residual blocks at one resolution; the first one halves it."""

    blocks: int
    width: int


STEM_WIDTH = 32
STAGES = (Stage(3, 64), Stage(4, 128), Stage(4, 256))


def build() -> keras.Model:
    """Build the network: uint8 RGB crops (n, 128, 128, 3) → logits (n, 1)."""
    given = layers.Input(CROPS.shape[1:], dtype="uint8")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="normalise")(given)
    # 32 channels hold the 12 values of each 2 × 2 pixels, so halving loses no fine grain.
    x = layers.Conv2D(STEM_WIDTH, 3, strides=2, padding="same", use_bias=False, name="stem_conv")(x)
    x = _normalise(x, "stem")
    x = _block(x, STEM_WIDTH, "stem_block")
    for depth, stage in enumerate(STAGES):
        x = _separable(x, stage.width, f"stage{depth}_down", strides=2)
        for index in range(stage.blocks - 1):
            x = _block(x, stage.width, f"stage{depth}_block{index}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(0.2, name="dropout")(x)
    return keras.Model(given, layers.Dense(1, name="logit")(x), name="cnn")


def _block(x: keras.KerasTensor, width: int, name: str) -> keras.KerasTensor:
    return layers.Add(name=f"{name}_add")([x, _separable(x, width, name)])


def _separable(x: keras.KerasTensor, width: int, name: str, strides: int = 1) -> keras.KerasTensor:
    x = layers.DepthwiseConv2D(
        3, strides=strides, padding="same", use_bias=False, name=f"{name}_depthwise"
    )(x)
    x = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_pointwise")(x)
    return _normalise(x, name)


def _normalise(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    x = layers.BatchNormalization(momentum=0.95, name=f"{name}_norm")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)
