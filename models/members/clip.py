"""``clip_lower`` and ``clip_upper``: the two parts of a frozen CLIP ViT-B/16 image encoder.

The encoder is from Radford et al., Learning Transferable Visual Models From Natural Language
Supervision (arXiv:2103.00020). It is the ViT of Dosovitskiy et al. (arXiv:2010.11929) with a
normalisation before the first block and the quick GELU. A frozen CLIP detects generated images
better than networks trained for it (Ojha et al., arXiv:2302.10174). Its middle blocks do better
than its last (Koutlis and Papadopoulos, arXiv:2402.19091). On images that are easy to classify the
upper part does not run (early exit, Teerapittayanon et al., arXiv:1709.01686).
``training/clip_weights.py`` loads the weights by layer name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
from keras import layers, ops

from models.views import WHOLE

BLOCKS = 12
WIDTH = 768
PATCH = 16
PATCHES = (WHOLE.size // PATCH) ** 2
HEADS = 12
EPSILON = 1e-5

# Mean and standard deviation per channel of CLIP's training images, from its own preprocessing.
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)

Step = Callable[[keras.KerasTensor], keras.KerasTensor]
Dense = Callable[..., Step]

LOWER = (6, 7, 8)
"""The blocks of the lower part whose output a head reads, counted from 1. It ends at the last."""

UPPER = (10, 12)
"""The same for the upper part. It begins after the lower one."""


def build_lower() -> keras.Model:
    """Build the encoder to block 8.

    Returns:
        uint8 RGB (n, 224, 224, 3) → features of the blocks in ``LOWER`` (n, 4608), and the tokens
        after block 8 (n, 197, 768).
    """
    given, depths = encoder(max(LOWER))
    tokens = {depth: depths[depth - 1] for depth in LOWER}
    return keras.Model(given, [features(tokens), tokens[max(LOWER)]], name="clip_lower")


def build_upper() -> keras.Model:
    """Build the encoder from block 9 to block 12.

    Returns:
        tokens after block 8 (n, 197, 768) → features of the blocks in ``UPPER`` (n, 3072).
    """
    x = given = layers.Input((PATCHES + 1, WIDTH), dtype="float32", name="tokens")
    tokens = {}
    for depth in range(max(LOWER) + 1, max(UPPER) + 1):
        tokens[depth] = x = _block(x, f"block{depth}", layers.Dense)
    return keras.Model(given, features({each: tokens[each] for each in UPPER}), name="clip_upper")


def features(tokens: Mapping[int, keras.KerasTensor]) -> keras.KerasTensor:
    """Return what a head reads: each block's class token, then the mean of its patch tokens.

    The mean adds much, above all to early blocks (``training/README.md``).

    Args:
        tokens: of each block, shape (n, 197, 768).
    """
    seen = []
    for depth, each in tokens.items():
        seen += [each[:, 0], layers.GlobalAveragePooling1D(name=f"mean{depth}")(each[:, 1:])]
    return layers.Concatenate(name="features")(seen)


def encoder(
    blocks: int = BLOCKS, dense: Dense = layers.Dense, thin: Step = lambda tokens: tokens
) -> tuple[keras.KerasTensor, list[keras.KerasTensor]]:
    """Build the first blocks of the encoder.

    Args:
        blocks: how many blocks.
        dense: makes the linear layers of the blocks from width and name.
        thin: may drop patch tokens, after the position embedding was added.

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
    x = thin(Position(name="position")(x))
    x = layers.LayerNormalization(epsilon=EPSILON, name="norm")(x)
    depths = []
    for index in range(blocks):
        x = _block(x, f"block{index + 1}", dense)
        depths.append(x)
    return given, depths


class Position(layers.Layer):  # type: ignore[misc]
    """Prepends the learned class token and adds the learned position embedding."""

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
    """Multi-head softmax attention. It has no weights of its own."""

    def call(
        self, query: keras.KerasTensor, key: keras.KerasTensor, value: keras.KerasTensor
    ) -> keras.KerasTensor:
        """Return the attended values. All arrays have shape (n, tokens, width)."""
        _, tokens, width = query.shape
        q, k, v = (ops.reshape(x, (-1, tokens, HEADS, width // HEADS)) for x in (query, key, value))
        return ops.reshape(ops.dot_product_attention(q, k, v), (-1, tokens, width))


def _block(x: keras.KerasTensor, name: str, dense: Dense) -> keras.KerasTensor:
    """Add a pre-norm transformer block: attention and a perceptron, both residual."""
    y = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm1")(x)
    parts = [dense(WIDTH, name=f"{name}_{part}")(y) for part in ("query", "key", "value")]
    y = Attention(name=f"{name}_attention")(*parts)
    x = layers.Add(name=f"{name}_add1")([x, dense(WIDTH, name=f"{name}_out")(y)])
    y = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm2")(x)
    y = dense(4 * WIDTH, name=f"{name}_expand")(y)
    y = layers.Activation(quick_gelu, name=f"{name}_gelu")(y)
    return layers.Add(name=f"{name}_add2")([x, dense(WIDTH, name=f"{name}_project")(y)])


def quick_gelu(x: keras.KerasTensor) -> keras.KerasTensor:
    """Return x · σ(1.702 x), the approximation of GELU that CLIP was trained with."""
    return x * ops.sigmoid(1.702 * x)
