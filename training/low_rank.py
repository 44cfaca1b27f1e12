"""The CLIP encoder with low-rank updates, and the plain encoder with merged updates.

Every linear layer is frozen and gets a trainable low-rank update (Hu et al., LoRA,
arXiv:2106.09685). The heads are frozen, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from models.members import clip


@dataclass(frozen=True)
class Heads:
    """Linear heads on features of some blocks.

    Args:
        depths: blocks counted from 1. The features are class token and patch mean of each.
        weights: shape (features, heads).
        intercepts: shape (heads,).
    """

    depths: Sequence[int]
    weights: NDArray[np.float64]
    intercepts: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.intercepts)

    def __call__(self, blocks: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
        """Return the logits (n, heads) from the tokens after each block."""
        last = layers.Dense(
            len(self),
            name="heads",
            dtype="float32",
            kernel_initializer=_constant(self.weights),
            bias_initializer=_constant(self.intercepts),
        )
        return last(clip.features({depth: blocks[depth - 1] for depth in self.depths}))


class Pick(layers.Layer):  # type: ignore[misc]
    """Keeps the class token and some of the patch tokens."""

    def call(self, tokens: keras.KerasTensor, kept: keras.KerasTensor) -> keras.KerasTensor:
        """Return the tokens at index 0 and at ``kept`` (n, k). The class token has index 0."""
        picked = ops.take_along_axis(tokens, kept[:, :, None], axis=1)
        return ops.concatenate([tokens[:, :1], picked], axis=1)


def _low_rank(rank: int) -> clip.Dense:
    """Return a factory of frozen linear layers with an update that starts at zero."""

    def dense(units: int, name: str) -> clip.Step:
        frozen = layers.Dense(units, name=name)
        down = layers.Dense(rank, use_bias=False, name=f"{name}_down")
        up = layers.Dense(units, use_bias=False, kernel_initializer="zeros", name=f"{name}_up")
        add = layers.Add(name=f"{name}_sum")
        return lambda x: add([frozen(x), up(down(x))])

    return dense


def build(heads: Heads, rank: int, patches: int) -> keras.Model:
    """Build the trainable network, without CLIP's weights.

    Args:
        heads: the frozen heads.
        rank: of the updates.
        patches: number of patches to keep.

    Returns:
        Views (n, 224, 224, 3), indices of kept patches (n, patches) from 1, and the one-hot choice
        of a head (n, heads) → logits (n, 1).
    """
    kept = layers.Input((patches,), dtype="int32", name="kept")
    head = layers.Input((len(heads),), name="head")
    pick, dense = Pick(name="pick"), _low_rank(rank)
    given, blocks = clip.encoder(max(heads.depths), dense, lambda tokens: pick(tokens, kept))
    logit = layers.Dot(axes=1, name="logit", dtype="float32")([heads(blocks), head])
    model = keras.Model([given, kept, head], logit, name="tuned")
    for layer in model.layers:
        layer.trainable = layer.name.endswith(("_down", "_up"))
    return model


def build_plain(heads: Heads) -> keras.Model:
    """Build the network for evaluation: whole views (n, 224, 224, 3) → logits (n, heads)."""
    given, blocks = clip.encoder(max(heads.depths))
    return keras.Model(given, heads(blocks), name="plain")


def merge(tuned: keras.Model, plain: keras.Model, fraction: float = 1.0) -> None:
    """Copy the tuned weights into a plain encoder, and merge a fraction of the updates.

    Args:
        tuned: from ``build``.
        plain: any network with the encoder's layers. Changed in place.
        fraction: of the updates, 0 to 1. 0 is the original CLIP. Values in between are often best
            (WiSE-FT, arXiv:2109.01903).
    """
    theirs = {layer.name: layer for layer in tuned.layers}
    for layer in plain.layers:
        if layer.name in theirs and layer.weights:
            values = theirs[layer.name].get_weights()
            if f"{layer.name}_up" in theirs:
                down, up = (
                    theirs[f"{layer.name}_{part}"].get_weights()[0] for part in ("down", "up")
                )
                values[0] = values[0] + fraction * (down @ up)
            layer.set_weights(values)


def _constant(values: NDArray[np.float64]) -> keras.initializers.Initializer:
    class Constant(keras.initializers.Initializer):  # type: ignore[misc]
        def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> keras.KerasTensor:
            return ops.reshape(ops.convert_to_tensor(values, dtype), shape)

    return Constant()
