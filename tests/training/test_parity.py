"""Exported members have the same outputs as Keras."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers
from skimage import data

from models.ensemble import sigmoid
from models.manifest import WEIGHTS, MemberRecord, load_manifest
from models.members import MEMBERS, Member, clip
from models.runtime import Runtime
from models.views import Pixels, prepare
from tests.pictures import PHOTOGRAPHS, photograph
from training.convert import serialise, to_openvino
from training.export import PARITY, difference

SHIPPED = load_manifest().members


def views_of(member: Member) -> Pixels:
    """The views of all photographs, shape (images, views, height, width, 3)."""
    images = [prepare(np.asarray(photograph(name))) for name in PHOTOGRAPHS]
    return np.stack([member.view.serve(image) for image in images])


def one_block() -> keras.Model:
    """The encoder of `clip` has blocks of one kind only."""
    given, (tokens,) = clip.encoder(1)
    return keras.Model(given, layers.Dense(1)(tokens[:, 0]))


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("cnn", MEMBERS["cnn"].build),
        ("efficientnet", MEMBERS["efficientnet"].build),  # `efficientnet_art` is the same network
        ("clip", one_block),
    ],
)
def test_an_exported_member_answers_as_keras_does(
    name: str, build: Callable[[], keras.Model]
) -> None:
    member = MEMBERS[name]
    keras.utils.set_random_seed(7)
    model = build()
    exported = serialise(to_openvino(model, member.view.shape))

    assert difference(model, exported, views_of(member)).max() <= PARITY


@pytest.mark.parametrize("record", SHIPPED, ids=[record.name for record in SHIPPED])
def test_a_shipped_member_answers_as_it_did_when_it_was_exported(record: MemberRecord) -> None:
    file = WEIGHTS / record.file
    runtime = Runtime(file.read_bytes(), file.with_suffix(".bin").read_bytes(), precision="f32")
    view = MEMBERS[record.name].view
    assert len(record.references) >= 4

    for reference in record.references:
        image = prepare(np.asarray(getattr(data, reference.image)()))
        probability = sigmoid(runtime.logit(view.serve(image)))
        # Sums of 8-bit products are rounded differently on processors without such instructions.
        gap = PARITY if "max" in record.parity else 0.05
        assert probability == pytest.approx(reference.probability, abs=gap), reference.image


def test_the_fastest_precision_is_near_the_exact_one() -> None:
    file = WEIGHTS / "clip.xml"
    model, weights = file.read_bytes(), file.with_suffix(".bin").read_bytes()
    exact, fast = Runtime(model, weights, precision="f32"), Runtime(model, weights)

    for views in views_of(MEMBERS["clip"]):
        assert sigmoid(fast.logit(views)) == pytest.approx(sigmoid(exact.logit(views)), abs=0.03)
