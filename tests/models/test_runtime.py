"""The runtime: one image's views in, one logit out."""

from __future__ import annotations

import numpy as np
import pytest

from models.manifest import WEIGHTS
from models.runtime import Runtime


@pytest.fixture(scope="module")
def cnn() -> Runtime:
    return Runtime((WEIGHTS / "cnn.xml").read_bytes(), (WEIGHTS / "cnn.bin").read_bytes())


def test_the_logit_is_the_mean_over_the_views(cnn: Runtime) -> None:
    views = np.random.default_rng(0).integers(0, 256, cnn.shape, np.uint8)

    each = [cnn.logit(np.repeat(views[[i]], len(views), axis=0)) for i in range(len(views))]
    assert cnn.logit(views) == pytest.approx(np.mean(each), abs=1e-4)
    assert len(set(each)) > 1


def test_views_of_another_shape_are_refused(cnn: Runtime) -> None:
    with pytest.raises(ValueError, match=r"expected \(4, 128, 128, 3\) uint8"):
        cnn.logit(np.zeros((1, *cnn.shape[1:]), np.uint8))


def test_views_of_another_type_are_refused(cnn: Runtime) -> None:
    with pytest.raises(ValueError, match="float32"):
        cnn.logit(np.zeros(cnn.shape, np.float32))  # type: ignore[arg-type]


def test_bytes_that_are_no_model_are_refused() -> None:
    with pytest.raises(ValueError, match="not an OpenVINO model"):
        Runtime(b"not a model", b"")
