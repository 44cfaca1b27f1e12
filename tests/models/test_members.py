"""The contract test for all members."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

from models.manifest import load_manifest
from models.members import MEMBERS, Member
from models.views import prepare
from tests.pictures import PHOTOGRAPHS, photograph

pytestmark = pytest.mark.slow

EVERY_MEMBER = pytest.mark.parametrize("member", MEMBERS.values(), ids=MEMBERS.keys())


@EVERY_MEMBER
def test_a_member_goes_by_one_name(member: Member) -> None:
    assert MEMBERS[member.name] is member
    assert member.build().name == member.name


@EVERY_MEMBER
def test_a_member_takes_its_view_and_answers_one_logit_per_view(member: Member) -> None:
    model = member.build()

    assert model.input_shape == (None, *member.view.shape[1:])
    assert model.input.dtype == "uint8"
    assert model.output_shape == (None, 1)
    assert model.layers[-1].activation.__name__ == "linear"


@EVERY_MEMBER
def test_a_member_is_small_enough_for_one_core(member: Member) -> None:
    largest = 60_000_000 if member.name == "clip" else 4_000_000
    assert member.build().count_params() < largest


@EVERY_MEMBER
def test_a_member_normalises_inside_its_graph(member: Member) -> None:
    normalise = member.build().get_layer("normalise")
    black, white = np.asarray(normalise(np.array([[0] * 3, [255] * 3], np.uint8)))

    # About one deviation of ImageNet's halves, or CLIP's own mean and deviation.
    assert ((black > -2) & (black < -0.9)).all()
    assert ((white > 0.9) & (white < 2.2)).all()


@EVERY_MEMBER
def test_a_member_knows_nothing_of_the_backend_that_runs_it(member: Member) -> None:
    source = inspect.getsource(import_module(f"models.members.{member.name}"))

    assert "tensorflow" not in source


def test_the_registry_is_what_ships() -> None:
    assert {member.name for member in load_manifest().members} == set(MEMBERS)


def test_the_registry_can_be_read_without_keras() -> None:
    script = "import sys, models.members; sys.exit('loads keras' if 'keras' in sys.modules else 0)"
    subprocess.run([sys.executable, "-c", script], check=True)


@EVERY_MEMBER
def test_a_member_can_see_every_photograph(member: Member) -> None:
    for name in PHOTOGRAPHS:
        views = member.view.serve(prepare(np.asarray(photograph(name))))
        assert views.shape == member.view.shape
        assert views.std() > 10
