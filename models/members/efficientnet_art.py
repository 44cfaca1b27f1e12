"""``efficientnet_art``: EfficientNet-Lite0, trained for drawings, paintings and renders.

AI art and AI photographs leave different traces. So the same network is trained a second time, on
mostly art (``training/configs/efficientnet_art.toml``).
"""

from __future__ import annotations

import keras

from models.members import efficientnet


def build() -> keras.Model:
    """Build the network: uint8 RGB (n, 224, 224, 3) → logits (n, 1)."""
    return efficientnet.build(name="efficientnet_art")
