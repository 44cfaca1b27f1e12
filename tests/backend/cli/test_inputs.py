from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from backend.cli.inputs import Input, InputError, read_file, read_inputs
from models.errors import CheckError, ErrorCode

PNG = b"\x89PNG\r\n\x1a\n"


def names(path: Path | str, column: str | None = None) -> list[str]:
    return [source.name for source in read_inputs([str(path)], column)]


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", "http://h/1\nhttp://h/2\n", ["http://h/1", "http://h/2"]),
        ("blank.txt", "\n# a comment\n  http://h/1  \r\n\n", ["http://h/1"]),
        ("fragment.txt", "http://h/1#part\n", ["http://h/1#part"]),
        (
            "twice.txt",
            "http://h/1\nhttp://h/2\nhttp://h/1\n",
            ["http://h/1", "http://h/2", "http://h/1"],
        ),
        ("mark.txt", "\ufeffhttp://h/1\n", ["http://h/1"]),
        ("nul.txt", "http://h/\x00\n", ["http://h/\\x00"]),
        ("empty.txt", "", []),
        ("a.csv", "id,url\n1,http://h/1\n2,http://h/2\n", ["http://h/1", "http://h/2"]),
        ("short.csv", "id,url\n1\n2,http://h/2\n", ["", "http://h/2"]),
        ("quoted.csv", 'url,note\n"http://h/1,2","a\nb"\n', ["http://h/1,2"]),
        ("broken.csv", 'url\n"http://h/\n1"\n', ["http://h/\\n1"]),
        ("only.csv", "address\nhttp://h/1\n", ["http://h/1"]),
        ("headless.csv", "http://h/1\nhttp://h/2\n", ["http://h/1", "http://h/2"]),
        ("a.tsv", "id\turl\n1\thttp://h/1\n", ["http://h/1"]),
        ("unnamed", "url,id\nhttp://h/1,1\n", ["http://h/1"]),
        (
            "a.jsonl",
            '{"url": "http://h/1"}\n\n{"url": "http://h/2"}\n',
            ["http://h/1", "http://h/2"],
        ),
        ("unnamed", '{"url": "http://h/1"}\n', ["http://h/1"]),
        ("torn.jsonl", '{"url": "http://h/1"}\n{"ur', ["http://h/1", '{"ur']),
        ("other.jsonl", '{"url": "http://h/1"}\n{"url": 3}\n', ["http://h/1", "3"]),
        ("half.jsonl", r'{"url": "http://h/\ud800"}', ["http://h/\\ud800"]),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value[:9] else None,
)
def test_a_list_gives_each_row_in_order(write, name, content, expected) -> None:
    assert names(write(name, content)) == expected


@pytest.mark.parametrize("begin", ["http://h/", "data:image/png;base64,"])
def test_an_absurdly_long_row_is_a_row_like_others_with_a_fault(write, begin) -> None:
    long = f"{begin}{'a' * 2**20}"

    first, second = read_inputs([str(write("a.csv", f"url\n{long}\nhttp://h/1\n"))])

    assert long.startswith(first.name.removesuffix("…"))
    assert len(first.name) < 10_000
    assert first.fault
    assert (second.name, second.fault) == ("http://h/1", None)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", "id,image\n1,http://h/1\n"), ("a.jsonl", '{"id": 1, "image": "http://h/1"}\n')],
)
def test_another_column_must_be_named(write, name, content) -> None:
    path = write(name, content)

    with pytest.raises(InputError, match="--column"):
        names(path)
    assert names(path, "image") == ["http://h/1"]


def test_a_plain_list_has_no_columns(write) -> None:
    with pytest.raises(InputError, match="plain list"):
        names(write("a.txt", "http://h/1\n"), "image")


def test_a_list_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt cannot be read: No such file"):
        names(tmp_path / "none.txt")


def test_an_image_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        names(tmp_path / "none.jpg")


def test_a_list_can_come_from_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"http://h/1\nhttp://h/2\n")))

    assert names("-") == ["http://h/1", "http://h/2"]


def test_a_list_may_hold_paths(write) -> None:
    image = write("a.jpg", PNG)
    path = write("list", f"http://h/1\n{image}\n")

    assert read_inputs([str(path)]) == [
        Input(0, "http://h/1"),
        Input(1, str(image), image),
    ]


def test_a_folder_gives_its_images_by_name_or_first_bytes(write, tmp_path: Path) -> None:
    (tmp_path / "b" / "deep").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    for name in ("z.JPG", "b/deep/noname", "a.txt", ".hidden.png", ".git/c.png"):
        write(name, PNG if name.endswith(("noname", "png")) else b"")
    write("drawing", "<svg xmlns='x'>")

    found = [path.removeprefix(f"{tmp_path}/") for path in names(tmp_path)]

    assert found == ["drawing", "z.JPG", "b/deep/noname"]


def test_several_things_are_scanned_together(write) -> None:
    image, text = write("a.png", PNG), write("a.txt", "http://h/1\n")

    sources = read_inputs([str(image), str(text), str(image)])

    assert sources == [
        Input(0, str(image), image),
        Input(1, "http://h/1"),
        Input(2, str(image), image),
    ]


def test_a_file_whose_name_is_no_text_can_be_scanned(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/\xff\n.png"
    Path(os.fsdecode(raw)).write_bytes(PNG)

    (source,) = read_inputs([str(tmp_path)])

    assert source.name == f"{tmp_path}/\ufffd\\n.png"
    assert source.path is not None
    assert read_file(source.path) == PNG


def test_a_file_that_cannot_be_read_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="No such file") as error:
        read_file(tmp_path / "none.jpg")
    assert error.value.code is ErrorCode.BAD_URL


def test_a_file_larger_than_any_image_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.truncate(20 * 2**20 + 1)

    with pytest.raises(CheckError) as error:
        read_file(path)
    assert error.value.code is ErrorCode.TOO_LARGE
