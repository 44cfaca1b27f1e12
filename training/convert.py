"""Keras → OpenVINO IR, in floats or with 8-bit integers.

Two kinds of integers. ``shrink`` keeps matrices as integers and computes in floats: for CLIP, whose
matrices come as such integers, it loses nothing. ``quantise`` computes in integers as well (Jacob
et al., arXiv:1712.05877): fast, and to be held to the float's accuracy.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import nncf
import numpy as np
import openvino as ov
from openvino import opset13 as opset

from models.views import Pixels

SMALLEST = 64
"""Rows and columns from which on a matrix is large."""


def to_openvino(model: keras.Model, shape: tuple[int, ...]) -> ov.Model:
    """Convert a network, in 32-bit floats.

    Args:
        model: takes uint8 views.
        shape: of the views of one image; the batch is fixed, which lets the runtime plan ahead.
    """
    signature = [keras.InputSpec(shape=shape, dtype="uint8", name="views")]
    with TemporaryDirectory() as folder:
        model.export(folder, format="tf_saved_model", verbose=False, input_signature=signature)
        return ov.convert_model(folder)


def shrink(network: ov.Model) -> ov.Model:
    """Keep large matrices as 8-bit integers with a scale for each column.

    The largest number of each column becomes 127 or -127. A matrix that was made of such integers
    comes out as it was, which nncf's own compression does not promise.
    """
    network = network.clone()
    for node in network.get_ops():
        if node.get_type_name() != "MatMul":
            continue
        source = node.input(1).get_source_output()
        if source.get_node().get_type_name() != "Constant" or min(source.shape) < SMALLEST:
            continue
        matrix = source.get_node().get_data()
        rows = 1 if node.get_attributes()["transpose_b"] else 0
        scale = np.abs(matrix).max(axis=rows, keepdims=True) / 127
        integers = np.rint(matrix / scale).astype(np.int8)
        unpacked = opset.multiply(opset.convert(opset.constant(integers), "f32"), scale)
        node.input(1).replace_source_output(unpacked.output(0))
    return network


def quantise(network: ov.Model, views: Pixels) -> ov.Model:
    """Compute in 8-bit integers.

    Args:
        network: of convolutions.
        views: examples, shape (images, views, height, width, 3), from which ranges are read.
    """
    return nncf.quantize(
        network.clone(),
        nncf.Dataset(list(views)),
        subset_size=len(views),
        preset=nncf.QuantizationPreset.MIXED,
        fast_bias_correction=False,  # The fast one moves all logits by 0.15.
    )


def serialise(network: ov.Model, *, half: bool = False) -> tuple[bytes, bytes]:
    """Return the ``.xml`` and the ``.bin`` of a network.

    Args:
        network: what to write.
        half: keep 32-bit floats as 16-bit ones; they are computed with as 32-bit ones.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        ov.save_model(network, path, compress_to_fp16=half)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()
