"""Files are replaced whole or not at all, and a bad file is named."""

import hashlib
import os

import pytest
import torch
from safetensors.torch import save_file

from gorp.util.errors import UserError, close_names
from gorp.util.files import filling, read_json, read_jsonl, replacing, sha256, write_json, write_jsonl


def test_replacing_takes_the_place_of_the_old_file(tmp_path):
    path = tmp_path / "a" / "b" / "file.txt"
    for text in ("old", "new"):
        with replacing(path) as temporary:
            assert temporary.parent == path.parent, "a rename within one file system"
            temporary.write_text(text)
            if text == "new":
                assert path.read_text() == "old", "readers see the old file until the new one is whole"
        assert path.read_text() == text
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failed_replacement_leaves_the_old_file_alone(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(error), replacing(path) as temporary:
        temporary.write_text("half of the n")
        raise error
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664)])
def test_permissions_are_those_of_any_new_file(tmp_path, mask, mode):
    """Not those of safetensors, which keep others from reading a stage."""
    before = os.umask(mask)
    try:
        with replacing(tmp_path / "one") as temporary:
            save_file({"x": torch.zeros(1)}, temporary)
        with filling(tmp_path / "folder") as scratch:
            save_file({"x": torch.zeros(1)}, scratch / "two")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "one", tmp_path / "folder/two")] == [mode, mode]


def test_filling_moves_all_files_or_none(tmp_path):
    folder = tmp_path / "a" / "folder"
    with pytest.raises(RuntimeError), filling(folder) as scratch:
        (scratch / "one.txt").write_text("half of the n")
        raise RuntimeError
    assert list(folder.iterdir()) == []
    for text in ("old", "new"):
        with filling(folder) as scratch:
            (scratch / "one.txt").write_text(text)
        assert (folder / "one.txt").read_text() == text
    assert [p.name for p in folder.iterdir()] == ["one.txt"]


def test_a_failed_first_write_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"a": object()})
    with pytest.raises(TypeError):
        write_jsonl(tmp_path / "x.jsonl", [{"a": 1}, {"a": object()}])
    assert list(tmp_path.iterdir()) == []


def test_json_and_json_lines_round_trip(tmp_path):
    value = {"b": [1, 2.5, None, True], "a": "naïve “quotes”, 你好\u2028"}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value
    assert "你好" in (tmp_path / "x.json").read_text(encoding="utf-8")
    rows = [value, {}, {"sentence": "two\nlines"}]
    write_jsonl(tmp_path / "x.jsonl", rows)
    assert read_jsonl(tmp_path / "x.jsonl") == rows
    assert len((tmp_path / "x.jsonl").read_bytes().split(b"\n")) == 4


@pytest.mark.parametrize("read", [read_json, read_jsonl])
def test_an_absent_file_is_named(tmp_path, read):
    with pytest.raises(UserError, match=r"gone\.json: no such file"):
        read(tmp_path / "gone.json")


@pytest.mark.parametrize("read", [read_json, read_jsonl])
def test_a_file_that_is_not_utf8_is_named(tmp_path, read):
    path = tmp_path / "latin.json"
    path.write_bytes('["caf\u00e9"]'.encode("latin-1"))
    with pytest.raises(UserError, match=r"latin\.json: not UTF-8 text \(byte 5\)"):
        read(path)


@pytest.mark.parametrize(
    ("text", "where"),
    [('{"a": 1,\n "b": }', "line 2, column 7"), ("", "line 1, column 1"), ('["a"]\n["b"]', "line 2, column 1")],
)
def test_what_is_not_json_is_located(tmp_path, text, where):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"bad\.json: not JSON: .* at {where}$"):
        read_json(path)


def test_a_bad_json_line_is_located(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"a": 1}\n\n{"a": 2\n')
    with pytest.raises(UserError, match=r"bad\.jsonl: line 3 is not JSON"):
        read_jsonl(path)


def test_sha256(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(bytes(range(256)) * 500)
    assert sha256(path) == hashlib.sha256(bytes(range(256)) * 500).hexdigest()


def test_close_names():
    assert close_names("amazn", ["amazon", "yelp"]) == "did you mean amazon?"
    assert close_names("aa1", ["aa2", "aa3", "b"]) == "did you mean aa3 or aa2?"
    assert close_names("zzz", ["amazon", "yelp"]) == "known are: amazon, yelp"
    assert close_names("zzz", []) == "known are: none"
