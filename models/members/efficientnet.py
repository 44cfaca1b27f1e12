"""``efficientnet``: EfficientNet-Lite0 on the whole image.

EfficientNet is by Tan and Le (arXiv:1905.11946). The Lite form has no squeeze-and-excite, ReLU6
instead of swish, and a stem and head of fixed width. ``training/imagenet_weights.py`` loads the
weights by layer name.
"""

from __future__ import annotations

from typing import NamedTuple

import keras
from keras import layers

from models.views import WHOLE


class Stage(NamedTuple):
    """A row of the paper's table 1: blocks with the same kernel, expansion and width."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    width: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
BLOCKS = sum(stage.blocks for stage in STAGES)
STEM_WIDTH = 32
HEAD_WIDTH = 1280
HEADS = (10, 14)
"""The blocks whose pooled outputs the member's head uses."""


def build(name: str = "efficientnet", side: int = WHOLE.size) -> keras.Model:
    """Build the member: the network truncated after block 14, a logistic head on two blocks.

    With a frozen ImageNet network, a linear probe on block 14 is far better than one on the final
    features (AUC .87 against .81 on the modern set's photographs). Block 10 adds information that
    block 14 lacks.

    Args:
        name: of the Keras model.
        side: side of the square input in pixels.

    Returns:
        uint8 RGB (n, side, side, 3) → logits (n, 1).
    """
    given, depths = _body(last=max(HEADS), side=side)
    pooled = [layers.GlobalAveragePooling2D(name=f"pool{index}")(depths[index]) for index in HEADS]
    x = layers.Concatenate(name="depths")(pooled)
    x = layers.BatchNormalization(momentum=0.95, name="head_scale")(x)
    x = layers.Dropout(0.3, name="dropout")(x)
    return keras.Model(given, layers.Dense(1, name="logit")(x), name=name)


def build_imagenet() -> keras.Model:
    """Build the full ImageNet classifier, for its weights.

    Returns:
        uint8 RGB (n, 224, 224, 3) → logits of the ImageNet classes (n, 1000).
    """
    given, depths = _body(last=BLOCKS - 1, side=WHOLE.size)
    x = _conv(depths[-1], HEAD_WIDTH, 1, "head")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(given, layers.Dense(1000, name="classifier")(x), name="imagenet")


def _body(last: int, side: int) -> tuple[keras.KerasTensor, list[keras.KerasTensor]]:
    """Return the input, and the output of each block up to block ``last``."""
    given = layers.Input((side, side, 3), dtype="uint8")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="normalise")(given)
    x = _conv(x, STEM_WIDTH, 3, "stem", strides=2)
    depths: list[keras.KerasTensor] = []
    for stage in STAGES:
        for position in range(stage.blocks):
            if len(depths) <= last:
                strides = stage.stride if position == 0 else 1
                x = _block(x, stage, strides, f"block{len(depths)}")
                depths.append(x)
    return given, depths


def _block(x: keras.KerasTensor, stage: Stage, strides: int, name: str) -> keras.KerasTensor:
    """Add an inverted residual block: expansion, depthwise convolution, projection."""
    inside = x
    if stage.expansion > 1:
        inside = _conv(inside, x.shape[-1] * stage.expansion, 1, f"{name}_expand")
    inside = layers.DepthwiseConv2D(
        stage.kernel, strides=strides, padding="same", use_bias=False, name=f"{name}_depthwise"
    )(inside)
    inside = _normalise(inside, f"{name}_depthwise", active=True)
    inside = _conv(inside, stage.width, 1, f"{name}_project", active=False)
    if strides == 1 and x.shape[-1] == stage.width:
        return layers.Add(name=f"{name}_add")([inside, x])
    return inside


def _conv(
    x: keras.KerasTensor, width: int, kernel: int, name: str, strides: int = 1, active: bool = True
) -> keras.KerasTensor:
    x = layers.Conv2D(
        width, kernel, strides=strides, padding="same", use_bias=False, name=f"{name}_conv"
    )(x)
    return _normalise(x, name, active=active)


def _normalise(x: keras.KerasTensor, name: str, *, active: bool) -> keras.KerasTensor:
    x = layers.BatchNormalization(epsilon=1e-3, momentum=0.99, name=f"{name}_norm")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if active else x
