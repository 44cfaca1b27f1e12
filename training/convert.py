"""Converts Keras models to OpenVINO IR, in floats or with 8-bit integers.

There are two kinds of quantisation. ``shrink`` stores matrices as integers but computes in floats.
It is lossless for CLIP, whose matrices come as such integers. ``quantise`` computes in integers too
(Jacob et al., arXiv:1712.05877). It is fast, and its accuracy must be compared with floats.
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
"""Smallest number of rows and columns of a large matrix."""


def to_openvino(model: keras.Model, count: int = 1) -> ov.Model:
    """Convert a network in 32-bit floats.

    Args:
        model: its input is views or tokens.
        count: inputs per image. The fixed batch size lets the runtime plan ahead.
    """
    shape = (count, *model.input_shape[1:])
    signature = [keras.InputSpec(shape=shape, dtype=model.input.dtype, name="given")]
    with TemporaryDirectory() as folder:
        model.export(folder, format="tf_saved_model", verbose=False, input_signature=signature)
        network = ov.convert_model(folder)
    # The names are output_0, output_1, …, but their order may differ.
    outputs = sorted(network.outputs, key=lambda output: str(min(output.get_names())))
    return ov.Model(
        [opset.result(each.get_node().input_value(0)) for each in outputs], network.get_parameters()
    )


def shrink(network: ov.Model) -> ov.Model:
    """Store large matrices as 8-bit integers with a scale per column.

    The largest magnitude of each column becomes 127. A matrix that came from such integers stays
    exactly the same. nncf's own compression does not guarantee that.
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
        network: a convolutional network.
        views: calibration data for the activation ranges, shape (images, views, height, width, 3).
    """
    return nncf.quantize(
        network.clone(),
        nncf.Dataset(list(views)),
        subset_size=len(views),
        preset=nncf.QuantizationPreset.MIXED,
        fast_bias_correction=False,  # The fast one shifts all logits by 0.15.
    )


def serialise(network: ov.Model, *, half: bool = False) -> tuple[bytes, bytes]:
    """Return the ``.xml`` and the ``.bin`` of a network. Equal networks give equal files.

    Args:
        network: the network.
        half: store 32-bit floats as 16-bit floats. The arithmetic stays 32-bit.
    """
    network.set_friendly_name("network")
    for index, node in enumerate(
        network.get_ordered_ops()
    ):  # Else OpenVINO numbers them by chance.
        node.set_friendly_name(f"{node.get_type_name()}_{index}")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        ov.save_model(network, path, compress_to_fp16=half)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()
