"""The official benchmark: what its manifest pins, and rendering from what was fetched."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from gorp.cli import main
from gorp.data.instructions import group_instructions
from gorp.data.official import manifest
from gorp.data.official.fetch import fetch
from gorp.data.official.manifest import INSTRUCTIONS, blob_id, how_to_bring, official_tasks, read_manifest
from gorp.data.tasks import BUNDLED, OFFICIAL, benchmark_root, find_tasks
from gorp.util.errors import UserError

REAL = Path(__file__).parents[5] / "shared/CL_Benchmark"


def test_the_manifest_pins_fifteen_data_sets_and_the_instructions():
    manifest = read_manifest()
    assert manifest.url == "https://raw.githubusercontent.com/cmnfriend/O-LoRA/07117e1fc4a5f5ad9308a815a42cee8f46502dc8"
    units = manifest.units()
    assert Counter(map(len, units.values())) == {4: 15, 1: 1}
    assert units[INSTRUCTIONS] == {"instruction_config.json": "85839fc520e2ba716dd5f5b22aa104bf0b9ad42f"}
    assert units["SST-2"]["SC/SST-2/train.json"] == "7565a9fd0c5f4bd7b982f3af8d82c0f50b93cdd2"
    assert all(len(blob) == 40 for files in units.values() for blob in files.values())
    for name, files in units.items():
        if name != INSTRUCTIONS:
            assert sorted(Path(place).name for place in files) == ["dev.json", "labels.json", "test.json", "train.json"]
    assert f"git clone {manifest.repository} O-LoRA && git -C O-LoRA checkout {manifest.commit}\n" in how_to_bring()


def test_the_official_tasks_are_those_of_the_bundled_benchmark():
    bundled = find_tasks(BUNDLED)
    assert {name: task.group for name, task in official_tasks().items()} == {n: t.group for n, t in bundled.items()}
    assert official_tasks()["amazon"].file("train") == Path("results/official/SC/amazon/train.json")


@pytest.mark.parametrize(
    ("content", "blob"),
    [
        (b"", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
        (b"hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"),
    ],
)
def test_blob_ids_are_those_of_git(tmp_path, content, blob):
    (tmp_path / "x").write_bytes(content)
    assert blob_id(tmp_path / "x") == blob


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """A working directory where the amazon of a small official benchmark is fetched, and a plain copy of it."""
    monkeypatch.chdir(tmp_path)
    for root in (OFFICIAL, Path("plain")):
        shutil.copytree(BUNDLED / "SC/amazon", root / "SC/amazon")
        shutil.copy(BUNDLED / "instruction_config.json", root)
    ids = {f"CL_Benchmark/SC/amazon/{file.name}": blob_id(file) for file in (OFFICIAL / "SC/amazon").iterdir()}
    ids["configs/instruction_config.json"] = blob_id(OFFICIAL / "instruction_config.json")
    ids |= {path.replace("amazon", "yelp"): blob for path, blob in ids.items() if "amazon" in path}
    Path("official.json").write_text(json.dumps({"repository": "https://x", "commit": "y", "files": ids}))
    monkeypatch.setattr(manifest, "MANIFEST", Path("official.json"))


def preprocess(benchmark, task="amazon"):
    output = Path(f"{benchmark}.jsonl")
    arguments = ["--benchmark", benchmark, "--task", task, "--split", "dev", "--output", str(output)]
    return main(["preprocess", *arguments]), output


def test_fetched_rows_are_rendered_as_those_of_any_folder(fetched):
    (status, rows), (_, plain) = preprocess("official"), preprocess("plain")
    assert status == 0
    assert rows.read_bytes() == plain.read_bytes()


@pytest.mark.parametrize("name", ["SC/amazon/dev.json", "SC/amazon/labels.json", "instruction_config.json"])
def test_edited_or_absent_files_are_not_rendered(fetched, capsys, name):
    file = OFFICIAL / name
    unit = "amazon" if "amazon" in name else INSTRUCTIONS
    file.write_text(file.read_text() + " ")
    status, rows = preprocess("official")
    error = capsys.readouterr().err
    assert status == 1
    assert f"{file}: not the official file: its git blob id is {blob_id(file)}, expected " in error
    assert f"gorp fetch --task {unit}\n" in error
    file.unlink()
    assert preprocess("official")[0] == 1
    assert f"{file}: not fetched yet; run: gorp fetch --task amazon instructions\n" in capsys.readouterr().err
    assert not rows.exists()


def test_a_task_that_was_not_fetched_and_one_that_is_none(fetched, capsys):
    assert preprocess("official", "yelp")[0] == 1
    assert "yelp/dev.json: not fetched yet; run: gorp fetch --task yelp" in capsys.readouterr().err
    assert preprocess("official", "yelpp")[0] == 1
    assert "no task 'yelpp' in results/official; did you mean yelp?" in capsys.readouterr().err


def test_nothing_fetched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"benchmark: official: results/official: not fetched yet; .* gorp fetch"):
        benchmark_root("official")


@pytest.mark.skipif(not REAL.is_dir(), reason="real data is not beside the repository")
def test_a_cut_of_the_real_data_has_the_published_labels_and_instructions(tmp_path):
    """Its splits are cut, so that they are refused; what is as published comes through."""
    assert fetch([INSTRUCTIONS], str(REAL), tmp_path) == (1, 0)
    (instruction,) = group_instructions(tmp_path / "instruction_config.json", "SC")
    assert instruction.startswith("What is the sentiment of the following paragraph?")
    with pytest.raises(UserError, match="30 files could not be fetched") as caught:
        fetch([], str(REAL), tmp_path)
    assert "labels" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".fetch", "instruction_config.json"]
