"""The contract test for all members."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

from models.manifest import load_manifest
from models.members import MEMBERS, NETWORKS, Network
from models.members.clip import PATCHES, WIDTH
from models.views import prepare
from tests.pictures import PHOTOGRAPHS, photograph

pytestmark = pytest.mark.slow

EVERY_NETWORK = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())
WITH_A_VIEW = [network for network in NETWORKS.values() if not isinstance(network.input, str)]
EVERY_NETWORK_WITH_A_VIEW = pytest.mark.parametrize(
    "network", WITH_A_VIEW, ids=[network.name for network in WITH_A_VIEW]
)
WITHOUT_HEAD = {member.name for member in MEMBERS.values() if not member.depths}


@EVERY_NETWORK
def test_a_network_goes_by_one_name(network: Network) -> None:
    assert NETWORKS[network.name] is network
    assert network.build().name == network.name


@EVERY_NETWORK_WITH_A_VIEW
def test_a_network_takes_its_view(network: Network) -> None:
    model = network.build()

    assert model.input_shape == (None, *network.view.shape[1:])
    assert model.input.dtype == "uint8"


@EVERY_NETWORK
def test_a_network_without_a_head_answers_one_logit_per_view(network: Network) -> None:
    if network.name in WITHOUT_HEAD:
        model = network.build()

        assert model.output_shape == (None, 1)
        assert model.layers[-1].activation.__name__ == "linear"


def test_the_parts_of_the_encoder_fit_together() -> None:
    lower, upper = NETWORKS["clip_lower"].build(), NETWORKS["clip_upper"].build()

    assert lower.output_shape == [(None, 3 * 2 * WIDTH), (None, PATCHES + 1, WIDTH)]
    assert upper.input_shape == lower.output_shape[1]
    assert upper.output_shape == (None, 2 * 2 * WIDTH)
    with pytest.raises(TypeError, match="takes the tokens of clip_lower"):
        _ = NETWORKS["clip_upper"].view


@EVERY_NETWORK
def test_a_network_is_small_enough_for_one_core(network: Network) -> None:
    largest = 60_000_000 if network.name.startswith("clip") else 4_000_000
    assert network.build().count_params() < largest


@EVERY_NETWORK_WITH_A_VIEW
def test_a_network_normalises_inside_its_graph(network: Network) -> None:
    normalise = network.build().get_layer("normalise")
    black, white = np.asarray(normalise(np.array([[0] * 3, [255] * 3], np.uint8)))

    # About one deviation of ImageNet's halves, or CLIP's own mean and deviation.
    assert ((black > -2) & (black < -0.9)).all()
    assert ((white > 0.9) & (white < 2.2)).all()


@EVERY_NETWORK
def test_a_network_knows_nothing_of_the_backend_that_runs_it(network: Network) -> None:
    source = inspect.getsource(import_module(f"models.members.{network.builder[0]}"))

    assert "tensorflow" not in source


def test_the_registry_is_what_ships() -> None:
    shipped = load_manifest()

    assert {network.name for network in shipped.networks} == set(NETWORKS)
    assert {member.name: member.networks for member in shipped.members} == {
        member.name: member.networks for member in MEMBERS.values()
    }
    assert {member.name for member in shipped.members if not member.head} == WITHOUT_HEAD


def test_the_registry_can_be_read_without_keras() -> None:
    script = "import sys, models.members; sys.exit('loads keras' if 'keras' in sys.modules else 0)"
    subprocess.run([sys.executable, "-c", script], check=True)


@EVERY_NETWORK_WITH_A_VIEW
def test_a_network_can_see_every_photograph(network: Network) -> None:
    for name in PHOTOGRAPHS:
        views = network.view.serve(prepare(np.asarray(photograph(name))))
        assert views.shape == network.view.shape
        assert views.std() > 10
