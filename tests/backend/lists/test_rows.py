"""How rows, columns and headers are read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from backend.cli.inputs import InputError
from backend.lists import Entry, ListError
from backend.middleware.problems import InvalidRequestError
from tests.backend.lists.reading import A, B, by_file, by_http, entries, urls


@pytest.mark.parametrize(
    "url", ["http://h/a;b.jpg", "http://h/a,b.jpg", "http://h/a|b", "http://h/a b"]
)
@pytest.mark.parametrize("form", [None, "csv"])
def test_an_address_is_never_cut_where_nothing_shows_a_separator(url: str, form: Any) -> None:
    assert urls(f"{A}\n{url}\n", form=form) == [A, url]
    assert urls(f"url\n{url}\n", form=form) == [url]
    assert urls(f'"{url}"\n"{A}"\n', form=form) == [url, A]


@pytest.mark.parametrize("separator", [",", ";", "|"])
def test_a_first_row_that_can_be_read_in_two_ways_is_refused_in_csv_and_whole_in_text(
    separator: str,
) -> None:
    data = f"{A}{separator}1\n{B}{separator}2\n"
    assert urls(data) == [f"{A}{separator}1", f"{B}{separator}2"]
    with pytest.raises(ListError, match=rf"line 1: .*“\{separator}” may belong"):
        entries(data, form="csv")
    assert urls(f"sep={separator}\n{data}", form="csv") == [A, B]


@pytest.mark.parametrize("separator", [",", ";", "|"])
def test_a_row_of_too_many_cells_has_a_fault_for_its_url_may_be_cut(separator: str) -> None:
    rows = ["url{0}id", "http://h/a{0}b.jpg{0}1", "http://h/c.jpg{0}2{0}"]
    first, second = entries("\n".join(rows).format(separator), form="csv")
    assert "3 cells, and the first row 2" in (first.fault or "")
    assert (second.url, second.fault) == ("http://h/c.jpg", None)


def test_a_tab_separates_a_list_whose_first_row_has_one_and_stays_in_others() -> None:
    assert urls(f"{A}\t1\n{B}\t2\n") == [A, B]
    assert urls(f"1\t{A}\n2\t{B}\n") == [A, B]
    assert urls(f"{A}\nhttp://h/a\tb\n", form="csv") == [A, "http://h/a\tb"]


@pytest.mark.parametrize(
    "url", ["http://h/\0a", "http://h/\x1b", "http://h/\x7f", "http://h/\x85a"]
)
def test_a_url_with_control_characters_is_a_fault_and_is_never_escaped(url: str) -> None:
    good, bad = by_file(f"{A}\n{url}\n".encode(), "list.txt")
    assert good.fault is None
    assert (bad.fault, bad.path) == ("The URL contains control characters.", None)
    assert "\\x" in bad.name
    assert by_http(f"{A}\n{url}\n".encode(), "text/plain") == [A, url]


# Headers


@pytest.mark.parametrize(
    "header",
    ["id,url", "ID , URL", 'id,"Image URL"', "id,image-url", "id,Link", "id,src", "image_url,URL"],
)
def test_the_column_of_the_urls_is_found_by_a_usual_title(header: str) -> None:
    assert urls(f"{header}\n1,{A}\n", form="csv") == [A]


@pytest.mark.parametrize("header", ["image_url,link", "url,url", "URL,Url", "picture,x", "a,b"])
def test_a_column_that_is_not_clear_must_be_named(header: str) -> None:
    with pytest.raises(
        InputError, match=rf"line 1: .*columns are {header.replace(',', ', ')}.*--column"
    ):
        by_file(f"{header}\n{A},{B}\n".replace(A, "1").encode(), "list.csv")
    with pytest.raises(InvalidRequestError, match=r"\?column="):
        by_http(f"{header}\n1,{B}\n".encode(), "text/csv")


@pytest.mark.parametrize("column", ["Lien de l'image", "lien de l’image", "LIEN_DE_L_IMAGE"])
def test_a_column_is_named_by_its_title_whatever_its_capitals_and_signs(column: str) -> None:
    data = f"Nom;Lien de l'image\nx;{A}\n".encode()
    assert [source.name for source in by_file(data, "list.csv", column)] == [A]
    assert by_http(data, "text/csv", column) == [A]


def test_a_number_sign_may_be_a_title_or_begin_a_cell_and_else_begins_a_comment() -> None:
    found = entries(f"# ours, all\n\n#,url\n#1,{A}\n# not this\n#2,{B}\n")
    assert [(entry.url, entry.columns) for entry in found] == [(A, {"#": "#1"}), (B, {"#": "#2"})]


def test_every_column_and_every_row_is_kept() -> None:
    first, second, third = entries(
        f"id,note,URL,note,,custom_id\n1,a,{A},b,c,x\n\n,,,,,\n2,only\n3,d, ,,,z\n", form="csv"
    )
    assert first == Entry(2, A, "x", {"id": "1", "note": "a", "note (2)": "b", "column 5": "c"})
    assert (second.line, second.url, second.fault) == (5, "", "The row has no URL.")
    assert second.columns["note"] == "only"
    assert (third.custom_id, third.url, third.columns["id"]) == ("z", "", "3")


def test_a_row_without_a_url_is_an_input_with_a_fault_and_keeps_its_place() -> None:
    first, second, third = by_file(f"id,url\n1,\n2,{A}\n3,{A}\n".encode(), "list.csv")
    assert (first.index, first.fault, first.columns) == (0, "The row has no URL.", {"id": "1"})
    assert (second.index, second.name, third.index, third.name) == (1, A, 2, A)


def test_values_of_json_that_are_no_texts_are_compact_json() -> None:
    value = {"url": A, "n": 1, "x": None, "tags": ["a", {"b": "é"}], "custom_id": "c"}
    (entry,) = entries(json.dumps(value))
    assert entry == Entry(1, A, "c", {"n": "1", "x": "null", "tags": '["a",{"b":"é"}]'})


def test_an_element_of_json_that_is_no_image_is_a_fault_of_its_own() -> None:
    found = entries(json.dumps([A, 3, None, ["x"], "", {"url": ""}, {"url": B}, {}], indent=1))
    assert [bool(entry.fault) for entry in found] == [False, *[True] * 5, False, True]
    assert [entry.line for entry in found][:2] == [2, 3]
