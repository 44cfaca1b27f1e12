"""Conversion to 8 bits, and its loss."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from models.runtime import Runtime
from training.convert import quantise, serialise, shrink, to_openvino

RNG = np.random.default_rng(0)
VIEWS = RNG.integers(0, 256, (4, 1, 8, 8, 3), np.uint8)


@pytest.fixture
def matrices() -> keras.Model:
    """A network with a large matrix of 8-bit integers with a scale per column."""
    given = layers.Input((8, 8, 3), dtype="uint8")
    x = layers.Flatten()(layers.Rescaling(1 / 255)(given))
    large = layers.Dense(96)
    model = keras.Model(given, layers.Dense(1)(large(x)))
    integers = RNG.integers(-126, 127, (192, 96))
    integers[0] = 127
    scale = RNG.uniform(1e-4, 1e-2, 96)
    large.set_weights([(integers * scale).astype(np.float32), np.zeros(96, np.float32)])
    return model


def test_a_matrix_that_was_made_of_integers_comes_out_as_it_was(matrices: keras.Model) -> None:
    network = to_openvino(matrices, VIEWS.shape[1:])
    whole, small = serialise(network), serialise(shrink(network))

    assert len(small[1]) < len(whole[1]) / 3
    for views in VIEWS:
        expected = Runtime(*whole, precision="f32").logit(views)
        assert Runtime(*small, precision="f32").logit(views) == pytest.approx(expected, abs=1e-5)


def test_half_precision_halves_the_file(matrices: keras.Model) -> None:
    network = to_openvino(matrices, VIEWS.shape[1:])

    assert len(serialise(network, half=True)[1]) < 0.6 * len(serialise(network)[1])


def test_a_network_in_integers_answers_nearly_as_in_floats() -> None:
    given = layers.Input((8, 8, 3), dtype="uint8")
    x = layers.Conv2D(8, 3, activation="relu")(layers.Rescaling(1 / 128, offset=-1)(given))
    model = keras.Model(given, layers.Dense(1)(layers.GlobalAveragePooling2D()(x)))
    network = to_openvino(model, VIEWS.shape[1:])
    integers = Runtime(*serialise(quantise(network, VIEWS)), precision="f32")
    floats = Runtime(*serialise(network), precision="f32")
    gaps = [abs(integers.logit(views) - floats.logit(views)) for views in VIEWS]

    assert 0 < max(gaps) < 0.05
