"""Networks that run one after the other, and heads on their features."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from models import networks
from models.manifest import WEIGHTS, FilesRecord, Manifest, WeightsError, digest, load_manifest
from models.networks import PLAIN, Floats, Head, Inference, Loaded, LoadedMember, LoadedNetwork
from models.views import CROPS, WHOLE, Pixels, prepare
from tests.pictures import photograph

IMAGE = prepare(np.asarray(photograph()))
SHIPPED = load_manifest()


class Counting:
    """A network with constant outputs that counts its calls and keeps its input."""

    def __init__(self, *outputs: list[list[float]]) -> None:
        self.calls = 0
        self.given: Pixels | Floats | None = None
        self._outputs = [np.array(each, np.float32) for each in outputs]

    def run(self, given: Pixels | Floats) -> list[Floats]:
        self.calls += 1
        self.given = given
        return self._outputs


def test_a_member_reads_the_features_of_its_networks_in_their_order() -> None:
    lower, upper = Counting([[1.0, 2.0]], [[7.0]]), Counting([[3.0]])
    head = Head(np.array([1, 10, 100], np.float32), 0.5)
    loaded = Loaded(
        {"lower": LoadedNetwork(WHOLE, lower), "upper": LoadedNetwork("lower", upper)},
        {
            "first": LoadedMember(("lower",), Head(np.array([1, 1], np.float32), 0.0)),
            "both": LoadedMember(("lower", "upper"), head),
        },
    )
    inference = Inference(IMAGE, loaded)

    assert inference.logit("first") == 3.0
    assert upper.calls == 0
    assert inference.logit("both") == 321.5
    assert (lower.calls, upper.calls) == (1, 1)
    assert np.array_equal(np.asarray(upper.given), [[7.0]])


def test_the_logit_is_the_mean_over_the_views() -> None:
    loaded = Loaded(
        {"crops": LoadedNetwork(CROPS, Counting([[1.0], [2.0], [3.0], [6.0]]))},
        {"crops": LoadedMember(("crops",), PLAIN)},
    )

    assert Inference(IMAGE, loaded).logit("crops") == 3.0


def test_networks_of_one_view_get_the_same_pixels() -> None:
    first, second = Counting([[1.0]]), Counting([[1.0]])
    loaded = Loaded(
        {"first": LoadedNetwork(WHOLE, first), "second": LoadedNetwork(WHOLE, second)},
        {name: LoadedMember((name,), PLAIN) for name in ("first", "second")},
    )
    inference = Inference(IMAGE, loaded)
    inference.logit("first")
    inference.logit("second")

    assert first.given is second.given


def test_a_head_is_read_as_it_was_written() -> None:
    head = Head(np.array([0.25, -3.0], np.float32), 0.125)
    read = Head.from_bytes(head.to_bytes())

    assert read.weights.tolist() == [0.25, -3.0]
    assert read.intercept == 0.125


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WEIGHTS, tmp_path / "weights"))


def load(directory: Path, manifest: Manifest) -> Loaded:
    """Load the shallow member, which is the smallest with a head."""
    members = [member for member in manifest.members if member.name == "clip_shallow"]
    return networks.load(directory, manifest, members)


def with_head(head: FilesRecord) -> Manifest:
    """Return the shipped manifest with another head for the shallow member."""
    members = [
        member.model_copy(update={"head": head}) if member.name == "clip_shallow" else member
        for member in SHIPPED.members
    ]
    return SHIPPED.model_copy(update={"members": tuple(members)})


def test_only_the_networks_of_the_members_asked_for_are_loaded(copied: Path) -> None:
    (copied / "clip_upper.bin").unlink()

    assert set(load(copied, SHIPPED).networks) == {"clip_lower"}


@pytest.mark.parametrize(
    "content", [b"", b"not a head", b"\x93NUMPY"], ids=["empty", "text", "cut"]
)
def test_a_file_that_is_no_head_is_refused(copied: Path, content: bytes) -> None:
    (copied / "clip_shallow.npy").write_bytes(content)
    head = FilesRecord(file="clip_shallow.npy", sha256=digest(content))

    with pytest.raises(WeightsError, match=r"clip_shallow\.npy is (not a head|empty)"):
        load(copied, with_head(head))


def test_a_damaged_head_is_refused(copied: Path) -> None:
    (copied / "clip_shallow.npy").write_bytes(b"damaged")

    with pytest.raises(WeightsError, match="does not match its SHA-256"):
        load(copied, SHIPPED)


def test_an_unknown_network_is_refused() -> None:
    records = [
        record.model_copy(update={"name": "unknown"}) if record.name == "clip_lower" else record
        for record in SHIPPED.networks
    ]
    members = [
        member.model_copy(update={"networks": ("unknown",)})
        if member.name == "clip_shallow"
        else member
        for member in SHIPPED.members
    ]
    manifest = SHIPPED.model_copy(update={"networks": tuple(records), "members": tuple(members)})

    with pytest.raises(WeightsError, match="unknown"):
        load(WEIGHTS, manifest)
