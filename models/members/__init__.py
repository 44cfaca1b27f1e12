"""The networks and members of the ensemble. Each file builds networks in Keras 3.

A member is one or more networks that run one after the other, and a head that ends in a logit. To
add a member, write a file that builds its network and list both here. The contract test in
``tests/models/test_members.py`` then covers them. This module does not import Keras, because
workers import it for the views.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from models.views import CROPS, WHOLE, View

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Network:
    """One network.

    Args:
        name: weight file and configuration have the same name.
        input: its view, or the name of the network whose tokens it takes.
        builder: module of this package and function that build it.
    """

    name: str
    input: View | str
    builder: tuple[str, str]

    @property
    def takes(self) -> str:
        """The name of its input, as in the manifest."""
        return self.input if isinstance(self.input, str) else self.input.name

    @property
    def view(self) -> View:
        """Its view.

        Raises:
            TypeError: it takes the tokens of another network.
        """
        if isinstance(self.input, str):
            raise TypeError(f"{self.name} takes the tokens of {self.input}")
        return self.input

    def build(self) -> keras.Model:
        """Build the untrained network.

        Returns:
            A model whose first output has shape (n, features). The only feature of a network
            without a head is the logit. A second output has tokens for the next network.
        """
        module, function = self.builder
        model: keras.Model = getattr(import_module(f"models.members.{module}"), function)()
        return model


@dataclass(frozen=True)
class Member:
    """One model of the ensemble.

    Args:
        name: its public name.
        networks: the names of its networks, in their order. The head reads the features of all.
        about: its purpose, in one line.
        depths: the blocks whose features the head reads, counted from 1. Empty: there is no head.
    """

    name: str
    networks: tuple[str, ...]
    about: str
    depths: tuple[int, ...] = ()


NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        Network("cnn", CROPS, ("cnn", "build")),
        Network("efficientnet", WHOLE, ("efficientnet", "build")),
        Network("efficientnet_art", WHOLE, ("efficientnet_art", "build")),
        Network("clip_lower", WHOLE, ("clip", "build_lower")),
        Network("clip_upper", "clip_lower", ("clip", "build_upper")),
    )
}

MEMBERS: dict[str, Member] = {
    member.name: member
    for member in (
        Member("cnn", ("cnn",), "small CNN on crops, looks for traces of generation"),
        Member(
            "efficientnet",
            ("efficientnet",),
            "EfficientNet-Lite0 on the whole image, for photographs and art",
        ),
        Member(
            "efficientnet_art", ("efficientnet_art",), "the same network, trained mainly on art"
        ),
        Member(
            "clip_shallow",
            ("clip_lower",),
            "frozen CLIP image encoder to block 8, logistic head on blocks 6 to 8",
            (6, 7, 8),
        ),
        Member(
            "clip",
            ("clip_lower", "clip_upper"),
            "the same encoder to block 12, logistic head on blocks 6, 7, 8, 10 and 12",
            (6, 7, 8, 10, 12),
        ),
    )
}
