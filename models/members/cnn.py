"""``cnn``: a small CNN that looks for traces of generation in crops.

It has residual blocks of depthwise-separable convolutions, after Xception (Chollet,
arXiv:1610.02357). Xception was the best on recompressed images in FaceForensics++ (Rössler et al.,
arXiv:1901.08971). The network is trained from scratch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
from keras import layers

from models.views import CROPS


class Stage(NamedTuple):
    """Residual blocks at one resolution. The first block halves it."""

    blocks: int
    width: int


STEM_WIDTH = 32
STAGES = (Stage(3, 64), Stage(4, 128), Stage(4, 256))


def build(
    side: int = CROPS.size,
    stem_width: int = STEM_WIDTH,
    stages: Sequence[tuple[int, int]] = STAGES,
    *,
    dense: bool = False,
) -> keras.Model:
    """Build the network. The defaults give the member.

    Args:
        side: side of the square input in pixels.
        stem_width: channels of the first convolution and of the block after it.
        stages: number of blocks and their width, for each stage.
        dense: use plain 3 × 3 convolutions instead of separable ones. That is nine times the work
            at the same width, but fast on a processor with 16-bit instructions.

    Returns:
        uint8 RGB (n, side, side, 3) → logits (n, 1).
    """
    given = layers.Input((side, side, 3), dtype="uint8")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="normalise")(given)
    # 32 channels can hold the 12 values of 2 × 2 pixels, so halving loses no detail.
    x = _dense(x, stem_width, "stem", strides=2)
    convolve = _dense if dense else _separable
    x = _block(x, stem_width, "stem_block", convolve)
    for depth, (blocks, width) in enumerate(stages):
        x = convolve(x, width, f"stage{depth}_down", strides=2)
        for index in range(blocks - 1):
            x = _block(x, width, f"stage{depth}_block{index}", convolve)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(0.2, name="dropout")(x)
    return keras.Model(given, layers.Dense(1, dtype="float32", name="logit")(x), name="cnn")


def _block(
    x: keras.KerasTensor, width: int, name: str, convolve: Callable[..., keras.KerasTensor]
) -> keras.KerasTensor:
    return layers.Add(name=f"{name}_add")([x, convolve(x, width, name)])


def _dense(x: keras.KerasTensor, width: int, name: str, strides: int = 1) -> keras.KerasTensor:
    x = layers.Conv2D(
        width, 3, strides=strides, padding="same", use_bias=False, name=f"{name}_conv"
    )(x)
    return _normalise(x, name)


def _separable(x: keras.KerasTensor, width: int, name: str, strides: int = 1) -> keras.KerasTensor:
    x = layers.DepthwiseConv2D(
        3, strides=strides, padding="same", use_bias=False, name=f"{name}_depthwise"
    )(x)
    x = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_pointwise")(x)
    return _normalise(x, name)


def _normalise(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    x = layers.BatchNormalization(momentum=0.95, name=f"{name}_norm")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)
