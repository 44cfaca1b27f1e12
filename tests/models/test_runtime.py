"""The runtime: one image's views in, a network's outputs out."""

from __future__ import annotations

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as opset

from models.manifest import WEIGHTS
from models.processor import fastest_precision, instructions
from models.runtime import GROUP, Runtime
from training.convert import serialise, shrink


@pytest.fixture(scope="module")
def cnn() -> Runtime:
    return Runtime((WEIGHTS / "cnn.xml").read_bytes(), (WEIGHTS / "cnn.bin").read_bytes())


def test_each_view_has_an_output_of_its_own(cnn: Runtime) -> None:
    views = np.random.default_rng(0).integers(0, 256, cnn.shape, np.uint8)

    (outputs,) = cnn.run(views)
    alone = [cnn.run(np.repeat(views[[i]], len(views), axis=0))[0][0] for i in range(len(views))]
    assert outputs == pytest.approx(np.stack(alone), abs=1e-2)
    assert len(set(outputs.ravel().tolist())) > 1


def test_a_view_of_another_shape_is_refused(cnn: Runtime) -> None:
    with pytest.raises(ValueError, match=r"expected \(4, 128, 128, 3\) uint8"):
        cnn.run(np.zeros((1, *cnn.shape[1:]), np.uint8))


def test_views_of_another_type_are_refused(cnn: Runtime) -> None:
    with pytest.raises(ValueError, match="float32"):
        cnn.run(np.zeros(cnn.shape, np.float32))


def test_bytes_that_are_no_model_are_refused() -> None:
    with pytest.raises(ValueError, match="not an OpenVINO model"):
        Runtime(b"not a model", b"")


@pytest.mark.skipif(
    fastest_precision(instructions()) != "int8", reason="this processor computes in floats"
)
def test_an_outlier_costs_the_precision_of_its_own_activations_only() -> None:
    rng = np.random.default_rng(0)
    given = opset.parameter([1, 8, 4 * GROUP], np.float32)
    matrix = rng.standard_normal((4 * GROUP, 64)).astype(np.float32)
    matrix[:GROUP] = 0  # The outlier's own product would hide the others.
    product = ov.Model([opset.matmul(given, opset.constant(matrix), False, False)], [given])
    files = serialise(shrink(product))
    tokens = rng.standard_normal((1, 8, 4 * GROUP)).astype(np.float32)
    exact = Runtime(*files, precision="f32").run(tokens)[0]
    tokens[..., 0] = 1e5
    found = Runtime(*files).run(tokens)[0]

    error = np.abs(found - exact).max() / exact.std()
    # Half of the last bit of bfloat16 is .002 of a value. 8-bit activations are coarser than that.
    assert 0.015 < error < 0.2
