"""ImageNet weights: every array is used, and nothing else is unpickled."""

from __future__ import annotations

import pickle
from pathlib import Path

import keras
import numpy as np
import pytest

from models.members import efficientnet
from models.views import WHOLE, prepare
from tests.pictures import photograph
from training.imagenet_weights import Array, load_imagenet, packaged_file, read_state


@pytest.fixture(scope="module")
def state() -> dict[str, Array]:
    return read_state(packaged_file())


@pytest.fixture(scope="module")
def imagenet(state: dict[str, Array]) -> keras.Model:
    model = efficientnet.build_imagenet()
    load_imagenet(model, state)
    return model


@pytest.mark.parametrize(
    ("name", "classes"),
    [("chelsea", {281, 282, 285}), ("coffee", {504, 967, 968}), ("rocket", {657, 744})],
    ids=["a cat", "a cup of coffee", "a rocket"],
)
def test_the_network_knows_what_is_in_a_photograph(
    imagenet: keras.Model, name: str, classes: set[int]
) -> None:
    view = WHOLE.serve(prepare(np.asarray(photograph(name))))
    answers = imagenet.predict(view, verbose=0)[0]

    assert classes & set(np.argsort(answers)[-2:])


def test_the_file_holds_exactly_the_weights_of_the_network(
    imagenet: keras.Model, state: dict[str, Array]
) -> None:
    held = sum(
        array.size for name, array in state.items() if not name.endswith("num_batches_tracked")
    )

    assert imagenet.count_params() == held


def test_a_member_takes_the_body_and_leaves_the_rest(
    imagenet: keras.Model, state: dict[str, Array]
) -> None:
    member = efficientnet.build()
    load_imagenet(member, state)

    for layer in ("stem_conv", "block0_depthwise", "block14_project_norm"):
        for ours, theirs in zip(
            member.get_layer(layer).get_weights(),
            imagenet.get_layer(layer).get_weights(),
            strict=True,
        ):
            assert np.array_equal(ours, theirs)


def test_an_array_that_no_layer_takes_is_an_error(state: dict[str, Array]) -> None:
    with pytest.raises(ValueError, match="no layer takes"):
        load_imagenet(efficientnet.build(), {**state, "surprise": np.zeros(1)})


def test_a_missing_array_is_an_error(state: dict[str, Array]) -> None:
    rest = {name: array for name, array in state.items() if name != "_conv_stem.weight"}

    with pytest.raises(ValueError, match="lack"):
        load_imagenet(efficientnet.build(), rest)


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(pickle.dumps(print))

    with pytest.raises(pickle.UnpicklingError, match="print is not allowed"):
        read_state(file)
