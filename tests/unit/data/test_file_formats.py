"""The three formats of a data file hold the same rows, and say where they are broken."""

import csv
import json

import pytest

from gorp.data.file_formats import read_rows
from gorp.util.errors import UserError

ROWS = [
    {"label": "1", "sentence": 'Say "hello",\nthen go.'},
    {"label": "NA", "sentence": "null"},
    {"label": "007", "sentence": "2020-01-01"},
    {"label": "", "sentence": "caf\u00e9 \U0001f600"},
    {"label": "true", "sentence": "  1.50  "},
]


@pytest.fixture
def folder(tmp_path):
    """A folder whose name would mean something to a shell or a pattern."""
    path = tmp_path / "a [1]*b"
    path.mkdir()
    return path


def test_the_same_rows_from_each_format(folder):
    (folder / "x.json").write_text(json.dumps(ROWS))
    (folder / "x.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS) + "\n\n")
    with (folder / "x.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, ["label", "sentence"])
        writer.writeheader()
        writer.writerows(ROWS)
    for suffix in ("json", "jsonl", "csv"):
        assert read_rows(folder / f"x.{suffix}") == ROWS, suffix


def test_many_rows_keep_their_order(folder):
    rows = [{"label": str(i % 3), "sentence": f"Row {i}. " + "x" * 400} for i in range(30000)]
    (folder / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "x.csv").write_text("label,sentence\n" + "".join(f"{r['label']},{r['sentence']}\n" for r in rows))
    assert read_rows(folder / "x.jsonl") == read_rows(folder / "x.csv") == rows


def test_a_row_of_another_type_changes_no_other_row(folder):
    rows = [{"label": "a", "sentence": "x" * 400}] * 300 + [{"label": {"name": 1}, "sentence": ["x"]}]
    (folder / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_rows(folder / "x.jsonl") == rows


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.json", b'{"label": "a"}', "expected a list of rows"),
        ("x.json", b"[", "not JSON: .* at line 1"),
        ("x.jsonl", b'{"label": "a"}\n{"label": \n', "line 2 is not JSON"),
        ("x.jsonl", b"hello\n", "line 1 is not JSON"),
        ("x.jsonl", b'{"label": "a\xe9"}\n', r"not UTF-8 text \(byte 12\)"),
        ("x.csv", b"label,sentence\na,b\na,b,c\n", "not CSV: .*Expected 2 fields in line 3, saw 3"),
        ("x.csv", b'label,sentence\na,b\n"a,b\n', "not CSV: .*EOF inside string"),
        ("x.csv", b"label,sentence\na,caf\xe9\n", "not UTF-8 text"),
        ("x.csv", b",label,sentence\n0,a,b\n", "its first line must name each column once; it reads ',label,sentence'"),
        ("x.csv", b"", "its first line must name each column once; it reads ''"),
        ("x.csv", b"label,label\na,b\n", "its first line must name each column once"),
    ],
    ids=str,
)
def test_broken_files_are_named_with_the_line(folder, name, content, message):
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"a \[1\]\*b/{name}: {message}"):
        read_rows(folder / name)


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv"])
def test_absent_files(folder, suffix):
    with pytest.raises(UserError, match=f"x.{suffix}: no such file"):
        read_rows(folder / f"x.{suffix}")


def test_no_rows(folder):
    (folder / "x.jsonl").write_text("")
    (folder / "x.csv").write_text("label,sentence\n")
    (folder / "y.jsonl").write_text("\n\n")
    assert read_rows(folder / "x.jsonl") == read_rows(folder / "x.csv") == read_rows(folder / "y.jsonl") == []
