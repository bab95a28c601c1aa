"""A key that appears twice is refused with its line, wherever it is read."""

from pathlib import Path

import pytest

from gorp.config.presets import read_preset
from gorp.methods.registry import settings_of
from gorp.report.all_orders import read_published
from gorp.report.status import read_config
from gorp.util.errors import UserError
from gorp.util.yaml_files import read_yaml

ROOT = Path(__file__).parents[3]
SHIPPED = [
    *(ROOT / "workflow").rglob("*.yaml"),
    *(ROOT / "workflow").rglob("*.json"),
    *(ROOT / "docs").rglob("*.yaml"),
    ROOT / "config.yaml",
]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem if path.stem != "config" else path.parent.name)
def test_what_is_shipped_has_no_key_twice(path):
    assert read_yaml(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "line 5: the key 'c' appears twice, first on line 3; keep one"),
        ("a: 1\n'a': 2\n", "line 2: the key 'a' appears twice, first on line 1; keep one"),
        ("a: [{x: 1,\n     x: 2}]\n", "line 2: the key 'x' appears twice, first on line 1; keep one"),
        ('{"a": {"b": 1,\n\t"b": 2}}', "the key 'b' appears twice; keep one"),
        ("a:\n\tb: 1\n", r"line 2: not YAML: found character '\t' that cannot start any token"),
        ("a: [\nb: 1\n", "line 3: not YAML: expected ',' or ']'"),
        ("a: *b\n", "line 1: not YAML: found undefined alias 'b'"),
        ("a: !!python/name:os.system\n", "line 1: not YAML: could not determine a constructor"),
        ("a: 2024-13-13\n", "not YAML: month must be in 1..12"),
        ("", "expected KEY: VALUE lines"),
        ("- a\n", "expected KEY: VALUE lines"),
    ],
)
def test_a_file_that_is_refused(tmp_path, content, message):
    path = tmp_path / "own.yaml"
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_what_cannot_be_read(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    with pytest.raises(UserError, match=r"latin.yaml: not UTF-8 text \(byte 3\)"):
        read_yaml(tmp_path / "latin.yaml")
    with pytest.raises(UserError, match="Is a directory"):
        read_yaml(tmp_path)


def test_merged_keys_and_tabs_in_json_are_no_repeats(tmp_path):
    (tmp_path / "a.yaml").write_text("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  a: 3\n")
    assert read_yaml(tmp_path / "a.yaml")["y"] == {"a": 3, "b": 2}
    (tmp_path / "a.json").write_text('{\n\t"a": 1\n}')
    assert read_yaml(tmp_path / "a.json") == {"a": 1}


READERS = [lambda path: read_preset(path, settings_of), read_published, lambda path: read_config([path], settings_of)]


@pytest.mark.parametrize("read", READERS)
def test_each_reader_is_strict(tmp_path, read):
    path = tmp_path / "own.yaml"
    path.write_text("run: a\nmodel: b\nrun: c\n")
    with pytest.raises(UserError, match=r"own\.yaml: line 3: the key 'run' appears twice, first on line 1"):
        read(path)
