"""Digests say what files contain: neither where they lie, nor when they were written, nor how they are laid out."""

import json
import os

import pytest

from gorp.config import content_digests
from gorp.config.content_digests import Digests, model_key, rows_digest

ROWS = [{"label": "Good", "sentence": "Sun."}, {"label": "Bad", "sentence": "Rain."}]


def test_rows_count_and_layout_does_not(tmp_path):
    for name, text in (
        ("a.json", json.dumps(ROWS)),
        ("b.json", json.dumps([dict(reversed(row.items())) for row in ROWS], indent=3)),
        ("c.jsonl", "\n".join(map(json.dumps, ROWS))),
    ):
        (tmp_path / name).write_text(text)
    assert len({rows_digest(tmp_path / name) for name in ("a.json", "b.json", "c.jsonl")}) == 1
    (tmp_path / "d.json").write_text(json.dumps(ROWS[::-1]))
    assert rows_digest(tmp_path / "d.json") != rows_digest(tmp_path / "a.json"), "the order of rows counts"


def test_csv_by_its_cells(tmp_path):
    (tmp_path / "a.csv").write_text('label,sentence\nGood,"Sun, and more"\n')
    (tmp_path / "b.csv").write_text('"label","sentence"\r\n"Good","Sun, and more"\r\n')
    (tmp_path / "c.csv").write_text('label,sentence\nGood,"Sun, and less"\n')
    first, second, third = (rows_digest(tmp_path / f"{name}.csv") for name in "abc")
    assert first == second != third


@pytest.mark.parametrize("damaged", [b"[", b"\xff", b""])
def test_what_cannot_be_read_has_a_digest_of_its_bytes(tmp_path, damaged):
    (tmp_path / "a.json").write_bytes(damaged)
    (tmp_path / "b.json").write_bytes(damaged + b"x")
    assert rows_digest(tmp_path / "a.json") != rows_digest(tmp_path / "b.json") != rows_digest(tmp_path / "none.json")


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_model_is_known_by_its_files(model, tmp_path):
    key = model_key(str(model))
    (model / "README.md").write_text("A note.")
    os.utime(model / "model.safetensors", (1, 1))
    model = model.rename(tmp_path / "elsewhere")
    assert model_key(str(model)) == Digests(tmp_path / "store.json").folder(model) == key
    (model / "model.safetensors").write_bytes(b"weightz")
    assert model_key(str(model)) != key
    assert model_key("owner/name") == "owner/name"


def test_a_file_is_read_once_until_it_changes(model, tmp_path, monkeypatch):
    read = []
    original = content_digests.sha256
    monkeypatch.setattr(content_digests, "sha256", lambda path: read.append(path.name) or original(path))
    first = Digests(tmp_path / "store.json").folder(model)
    assert Digests(tmp_path / "store.json").folder(model) == first
    assert sorted(read) == ["config.json", "model.safetensors"]
    (model / "config.json").write_text("{ }")
    assert Digests(tmp_path / "store.json").folder(model) != first
    assert len(read) == 3


@pytest.mark.parametrize("damaged", ["", "[]", '{"rows x": 3}'])
def test_a_damaged_store_is_made_anew(model, tmp_path, damaged):
    store = tmp_path / "store.json"
    expected = Digests(store).folder(model)
    store.write_text(damaged)
    assert Digests(store).folder(model) == expected
    assert len(json.loads(store.read_text())) == 2
