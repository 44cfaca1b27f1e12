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
    network = to_openvino(matrices)
    whole, small = serialise(network), serialise(shrink(network))

    assert len(small[1]) < len(whole[1]) / 3
    for views in VIEWS:
        (expected,) = Runtime(*whole, precision="f32").run(views)
        (found,) = Runtime(*small, precision="f32").run(views)
        assert found == pytest.approx(expected, abs=1e-5)


def test_half_precision_halves_the_file(matrices: keras.Model) -> None:
    network = to_openvino(matrices)

    assert len(serialise(network, half=True)[1]) < 0.6 * len(serialise(network)[1])


def test_a_network_in_integers_answers_nearly_as_in_floats() -> None:
    given = layers.Input((8, 8, 3), dtype="uint8")
    x = layers.Conv2D(8, 3, activation="relu")(layers.Rescaling(1 / 128, offset=-1)(given))
    model = keras.Model(given, layers.Dense(1)(layers.GlobalAveragePooling2D()(x)))
    network = to_openvino(model)
    integers = Runtime(*serialise(quantise(network, VIEWS)), precision="f32")
    floats = Runtime(*serialise(network), precision="f32")
    gaps = [float(np.abs(integers.run(views)[0] - floats.run(views)[0]).max()) for views in VIEWS]

    assert 0 < max(gaps) < 0.05


def test_outputs_keep_their_order_and_a_network_may_take_what_another_gives() -> None:
    given = layers.Input((5, 4), dtype="float32")
    tokens = layers.Rescaling(2.0)(given)
    network = to_openvino(keras.Model(given, [layers.GlobalAveragePooling1D()(tokens), tokens]))
    values = RNG.normal(size=(1, 5, 4)).astype(np.float32)
    mean, doubled = Runtime(*serialise(network), precision="f32").run(values)

    assert mean == pytest.approx(2 * values.mean(axis=1), abs=1e-5)
    assert doubled == pytest.approx(2 * values)


def test_the_same_network_gives_the_same_files(matrices: keras.Model) -> None:
    first = serialise(shrink(to_openvino(matrices)))
    to_openvino(matrices)

    assert serialise(shrink(to_openvino(matrices))) == first
