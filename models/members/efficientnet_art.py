"""EfficientNet-Lite0 once more, trained for drawings, paintings and renders.

AI art differs from human art in other ways than AI photographs from photographs, so the same body
learns it apart, on its own mixture of sources (``training/configs/efficientnet_art.toml``).
"""

from __future__ import annotations

import keras

from models.members import efficientnet


def build() -> keras.Model:
    """Build the network: uint8 RGB (n, 224, 224, 3) → logits (n, 1)."""
    return efficientnet.build(name="efficientnet_art")
