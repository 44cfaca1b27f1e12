"""The image tower of CLIP ViT-B/16, cut where it stops helping, with a head on several depths.

Radford et al., Learning Transferable Visual Models From Natural Language Supervision
(arXiv:2103.00020); the tower is that of Dosovitskiy et al. (arXiv:2010.11929) with a normalisation
before the first block and the quick GELU. A frozen CLIP tells generated images from real ones
better than networks trained for it (Ojha et al., arXiv:2302.10174), and its middle depths better
than its last (Koutlis and Papadopoulos, arXiv:2402.19091). ``training/clip.py`` fills the layers by
their names.
"""

from __future__ import annotations

import keras
from keras import layers, ops

from models.views import WHOLE

BLOCKS = 12
WIDTH = 768
PATCH = 16
HEADS = 12
EPSILON = 1e-5

# Mean and deviation of the images that CLIP was trained on, per channel (its own preprocessing).
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)

DEPTHS = (6, 7, 8)
"""The blocks that the head sees, counted from 1; the tower ends at the last."""


def build() -> keras.Model:
    """Build the member: the tower to block 8, and a logistic head on what three depths hold.

    The head sees each depth's class token, and the mean of its patches, which tells as much again:
    with it blocks 6 to 8 are worth what blocks 6 to 12 are (``training/README.md``).

    Returns:
        uint8 RGB (n, 224, 224, 3) → logits (n, 1).
    """
    given, depths = tower(max(DEPTHS))
    seen = []
    for depth in DEPTHS:
        tokens = depths[depth - 1]
        seen += [tokens[:, 0], layers.GlobalAveragePooling1D(name=f"mean{depth}")(tokens[:, 1:])]
    x = layers.Concatenate(name="depths")(seen)
    return keras.Model(given, layers.Dense(1, name="logit")(x), name="clip")


def tower(blocks: int = BLOCKS) -> tuple[keras.KerasTensor, list[keras.KerasTensor]]:
    """Build the tower as far as block ``blocks``.

    Returns:
        The input (n, 224, 224, 3), uint8, and each block's tokens (n, 197, 768), the class token
        first.
    """
    given = layers.Input(WHOLE.shape[1:], dtype="uint8")
    x = layers.Rescaling(
        [1 / (255 * deviation) for deviation in DEVIATION],
        offset=[-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)],
        name="normalise",
    )(given)
    x = layers.Conv2D(WIDTH, PATCH, strides=PATCH, use_bias=False, name="patches")(x)
    x = layers.Reshape((-1, WIDTH), name="sequence")(x)
    x = Position(name="position")(x)
    x = layers.LayerNormalization(epsilon=EPSILON, name="norm")(x)
    depths = []
    for index in range(blocks):
        x = _block(x, f"block{index + 1}")
        depths.append(x)
    return given, depths


class Position(layers.Layer):  # type: ignore[misc]
    """Puts the class token before the patches, and adds each token's place: learned, both."""

    def build(self, shape: tuple[int | None, int, int]) -> None:
        """Make the weights for sequences of shape (n, patches, width)."""
        _, patches, width = shape
        self.token = self.add_weight(shape=(1, 1, width), name="token")
        self.place = self.add_weight(shape=(1, patches + 1, width), name="place")

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Return the tokens, shape (n, patches + 1, width)."""
        token = ops.broadcast_to(self.token, (ops.shape(x)[0], 1, x.shape[-1]))
        return ops.concatenate([ops.cast(token, x.dtype), x], axis=1) + self.place


class Attention(layers.Layer):  # type: ignore[misc]
    """Softmax attention between heads' queries, keys and values; no weights of its own."""

    def call(
        self, query: keras.KerasTensor, key: keras.KerasTensor, value: keras.KerasTensor
    ) -> keras.KerasTensor:
        """Mix the values; all of shape (n, tokens, width)."""
        _, tokens, width = query.shape
        q, k, v = (ops.reshape(x, (-1, tokens, HEADS, width // HEADS)) for x in (query, key, value))
        return ops.reshape(ops.dot_product_attention(q, k, v), (-1, tokens, width))


def _block(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Add attention and a perceptron, each normalised before and added to what came in."""
    y = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm1")(x)
    parts = [layers.Dense(WIDTH, name=f"{name}_{part}")(y) for part in ("query", "key", "value")]
    y = Attention(name=f"{name}_attention")(*parts)
    x = layers.Add(name=f"{name}_add1")([x, layers.Dense(WIDTH, name=f"{name}_out")(y)])
    y = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm2")(x)
    y = layers.Dense(4 * WIDTH, name=f"{name}_expand")(y)
    y = layers.Activation(quick_gelu, name=f"{name}_gelu")(y)
    return layers.Add(name=f"{name}_add2")([x, layers.Dense(WIDTH, name=f"{name}_project")(y)])


def quick_gelu(x: keras.KerasTensor) -> keras.KerasTensor:
    """Return x · σ(1.702 x), the approximation of GELU that CLIP was trained with."""
    return x * ops.sigmoid(1.702 * x)
