"""The registry of public datasets, and the download from Kaggle."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kagglehub.handle import parse_dataset_handle
from requests import ConnectionError as NoNetwork

from training.datasets.__main__ import main
from training.datasets.dataset_errors import FetchError
from training.datasets.kaggle import fetch
from training.datasets.registry import DATASETS


class Kaggle:
    """Replaces the function of kagglehub that accesses the network."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self._error = error

    def dataset_download(self, handle: str, **options: Any) -> str:
        self.asked.append(handle)
        if self._error:
            raise self._error
        folder = Path(options["output_dir"])
        folder.mkdir(parents=True)
        return str(folder)


def reach(monkeypatch: pytest.MonkeyPatch, kaggle: Kaggle) -> None:
    module = SimpleNamespace(dataset_download=kaggle.dataset_download)
    monkeypatch.setitem(sys.modules, "kagglehub", module)


def test_all_eleven_datasets_of_the_original_are_known() -> None:
    assert set(DATASETS) == {
        "cifake",
        "ten-artists",
        "art-styles",
        "dalle-march-2023",
        "detecting-ai-artwork",
        "midjourney-prompts",
        "bear-dalle-robots",
        "abstract-art",
        "anime-chibi",
        "cartoon-cats-dogs",
        "indian-paintings",
    }


@pytest.mark.parametrize("name", DATASETS)
def test_kagglehub_understands_every_handle(name: str) -> None:
    handle = DATASETS[name].handle
    assert handle is not None

    parsed = parse_dataset_handle(handle)

    assert f"{parsed.owner}/{parsed.dataset}" == handle


def test_a_dataset_is_fetched_by_its_handle_into_a_folder_of_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kaggle = Kaggle()
    reach(monkeypatch, kaggle)
    main(["--fetched", str(tmp_path), "fetch", "cifake"])

    assert kaggle.asked == ["birdy654/cifake-real-and-ai-generated-synthetic-images"]
    assert capsys.readouterr().out.strip() == str(tmp_path / "cifake")


def test_a_dataset_without_a_confirmed_handle_asks_for_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kaggle = Kaggle()
    reach(monkeypatch, kaggle)
    unconfirmed = replace(DATASETS["abstract-art"], handle=None)
    with pytest.raises(FetchError, match="--handle owner/slug"):
        fetch(unconfirmed, tmp_path / "one")
    fetch(unconfirmed, tmp_path / "two", "someone/something")

    assert kaggle.asked == ["someone/something"]


def test_without_a_network_the_command_says_so_in_one_sentence_and_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reach(monkeypatch, Kaggle(NoNetwork("no route\nto host")))
    with pytest.raises(SystemExit) as exit_:
        main(["--fetched", str(tmp_path), "fetch", "ten-artists"])

    assert "ConnectionError: no route to host" in str(exit_.value)
    assert "KAGGLE_API_TOKEN" in str(exit_.value)


def test_the_list_tells_name_and_handle_of_every_dataset(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["list"])

    printed = capsys.readouterr().out
    for row in DATASETS.values():
        assert f"{row.name}: {row.title}\n" in printed
        assert f"{row.handle}\n" in printed
