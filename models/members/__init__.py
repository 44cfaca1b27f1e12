"""The members: each file builds one network in Keras 3. Knows views; knows no training.

To add a member, write its file with a ``build()`` and list it here; the contract test in
``tests/models/test_members.py`` then holds it to what every member promises. This module imports
no Keras, because a worker reads it for the views.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from models.views import CROPS, WHOLE, View

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Member:
    """One model of the ensemble.

    Args:
        name: its public name, and that of its module, its file and its configuration.
        view: what it sees.
        about: what it is for, in one line.
    """

    name: str
    view: View
    about: str

    def build(self) -> keras.Model:
        """Build the untrained network: uint8 RGB views (n, h, w, 3) in, logits (n, 1) out."""
        model: keras.Model = import_module(f"models.members.{self.name}").build()
        return model


MEMBERS: dict[str, Member] = {
    member.name: member
    for member in (
        Member("cnn", CROPS, "a small network that looks for traces of generation in crops"),
        Member(
            "efficientnet", WHOLE, "EfficientNet-Lite0 on the whole image, for the web at large"
        ),
        Member("efficientnet_art", WHOLE, "the same body, trained for drawings and paintings"),
        Member("clip", WHOLE, "CLIP's image tower to block 8, with a head on three depths"),
    )
}
