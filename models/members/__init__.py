"""The members of the ensemble. Each file builds one network in Keras 3.

To add a member, write a file with a ``build()`` function and list it here. The contract test in
``tests/models/test_members.py`` then covers it. This module does not import Keras, because workers
import it for the views.
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
        name: its public name. Module, weight file and configuration have the same name.
        view: its input.
        about: its purpose, in one line.
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
        Member("cnn", CROPS, "small CNN on crops, looks for traces of generation"),
        Member(
            "efficientnet", WHOLE, "EfficientNet-Lite0 on the whole image, for photographs and art"
        ),
        Member("efficientnet_art", WHOLE, "the same network, trained mainly on art"),
        Member("clip", WHOLE, "frozen CLIP image encoder to block 8, logistic head on blocks 6–8"),
    )
}
