"""docs/: what migrating.md names of ours is there, and the picture is what its script draws."""

import argparse
import dataclasses
import functools
import re
import runpy

import pytest
import yaml

from gorp.cli import parser
from gorp.config.checked import read_schema
from gorp.config.messages import expected
from gorp.config.settings import training_schema
from gorp.data.tasks import BUNDLED
from gorp.methods.registry import settings_of

ROOT = BUNDLED.parent
PAGE = (ROOT / "docs/migrating.md").read_text(encoding="utf-8")
OTHERS = {
    "HF_HOME",
    "HF_TOKEN",
    "huggingface_hub",
    "torchrun --standalone",
    "--parent",
}  # nothing of ours, or beside it
ROWS = [
    line.strip("|").split(" | ") for line in PAGE.splitlines() if line.startswith("|") and not set(line) <= set("|- ")
]
NAMES = sorted({name for row in ROWS for name in re.findall("`([^`]+)`", row[-1])} - OTHERS)


@functools.cache
def schema():
    return read_schema(settings_of({}))["properties"]


def exists_as_key(name):
    """`training.rank`, or `evaluate: full`, whose value must be valid too."""
    key, _, value = name.partition(": ")
    *parents, last = key.split(".")
    properties = schema()
    for parent in parents:
        properties = properties[parent]["properties"]
    allowed = properties[last].get("enum") if last in properties else None
    return last in properties and (not value or allowed is None or yaml.safe_load(value) in allowed)


def exists_as_command(name):
    _, command, *words = name.split()
    commands = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)).choices
    options = {option for action in commands[command]._actions for option in action.option_strings}
    return {word for word in words if word.startswith("--")} <= options


@functools.cache
def written():
    files = [*ROOT.glob("workflow/rules/*.smk"), *ROOT.glob("gorp/**/*.py")]
    return "".join(path.read_text(encoding="utf-8") for path in files)


def exists_as_file(name):
    """A path in the repository, or a file that the rules or the package write."""
    if (ROOT / name).exists():
        return True
    own = name.rstrip("/").rpartition("/")[2]
    return own in {"RUN", "TASK", "dbpedia", "amazon"} or own in written()


@pytest.mark.parametrize("name", NAMES)
def test_what_stands_for_something_of_the_original_is_there(name):
    if name.startswith(("snakemake ", "--config ")):
        assert all(map(exists_as_file, re.findall(r"\S+\.(?:yaml|csv)", name)))
        assert all(map(exists_as_key, re.findall(r"(\w+)=", name)))
    elif name.startswith("gorp "):
        assert exists_as_command(name)
    elif "/" in name or re.search(r"\.(json|jsonl|csv|txt|py|yaml|safetensors)$", name):
        assert exists_as_file(name)
    else:
        assert exists_as_key(name)


def test_every_row_has_an_answer():
    assert len(ROWS) > 90
    for row in ROWS:
        assert len(row) == 2 and row[1].strip(" |"), row


def test_the_readme_of_the_config_names_each_key():
    table = re.findall(r"^\| `(\w+)` \| .", (ROOT / "config/README.md").read_text(encoding="utf-8"), re.M)
    assert sorted(table) == sorted(schema())
    assert (ROOT / "config/config.yaml").samefile(ROOT / "config.yaml")  # where snakedeploy copies it from


def test_the_picture_is_what_its_script_draws(tmp_path):
    script = tmp_path / "method.py"
    script.write_text((ROOT / "docs/method.py").read_text(encoding="utf-8"), encoding="utf-8")
    runpy.run_path(str(script), run_name="__main__")
    assert (tmp_path / "method.svg").read_bytes() == (ROOT / "docs/method.svg").read_bytes()


def test_the_page_of_settings_says_what_the_classes_say():
    """To mend it, put these lines in place of its table."""
    kinds = settings_of({})
    schema = training_schema(kinds)
    lines = ["| setting | default | values | what it is for |", "|---|---|---|---|"]
    for field in {field.name: field for kind in kinds.values() for field in dataclasses.fields(kind)}.values():
        own = schema[field.name]
        lines.append(f"| `{field.name}` | `{field.default}` | {expected(own)} | {own['description']} |")
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    assert [line for line in page.splitlines() if line.startswith("|")] == lines, "\n".join(lines)
