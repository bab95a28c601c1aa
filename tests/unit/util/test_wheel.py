"""The package by itself: a wheel of it elsewhere, what it needs, and what it says of an extra that is not installed."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gorp.cli import main
from gorp.util import places
from gorp.util.errors import UserError
from gorp.util.extras import EXTRAS, how_to_install
from gorp.util.yaml_files import read_yaml

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PARTS = ("gorp", "CL_Benchmark", "workflow", "config.yaml", "pyproject.toml", "setup.py", "README.md", "LICENSE")


def names(lines):
    """The packages of requirements, spelt alike."""
    return {re.match(r"[\w-]+", line).group().lower().replace("_", "-") for line in lines if line.strip()}


def test_all_that_the_package_names_is_pinned():
    extras = PROJECT["optional-dependencies"]
    needed = names(line for lines in (PROJECT["dependencies"], *extras.values()) for line in lines) - {"gorp"}
    pinned = [(ROOT / f"requirements{kind}.txt").read_text(encoding="utf-8").splitlines() for kind in ("", "-dev")]
    assert needed <= names(pinned[0] + pinned[1])
    assert needed - names(extras["dev"]) <= names(pinned[0])


def test_an_extra_that_is_missing_is_named():
    for package, extra in EXTRAS.items():
        assert package in names(PROJECT["optional-dependencies"][extra])
        assert f"'gorp[{extra}]'" in how_to_install(ModuleNotFoundError(name=f"{package}.inner"))
    assert "gorp[smollm2]" in how_to_install(ImportError("Please install torch and gguf>=0.10.0 to load a GGUF file"))
    assert how_to_install(ImportError("cannot import name 'x' from 'pandas'", name="gorp.pandas")) == ""
    script = "import sys; sys.modules['pandas'] = None; from gorp.cli import main; sys.exit(main(['status']))"
    done = python("-c", script, cwd=ROOT, path=ROOT)
    said = "gorp status: error: needs pandas, which is not installed: pip install 'gorp[report]'\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_a_preset_by_its_name_its_path_and_one_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bundled = places.PRESETS / "t5-large.yaml"
    for preset in ("t5-large", "t5-large.yaml", "workflow/presets/t5-large.yaml", bundled):
        assert places.find_preset(Path(preset)) == bundled
    (tmp_path / "t5-large.yaml").write_text("run: own\n")
    assert read_yaml(places.find_preset(Path("t5-large.yaml"))) == {"run": "own"}
    for wrong in ("t5-huge", "elsewhere/t5-large.yaml"):
        with pytest.raises(UserError, match=f"{wrong}: no such file, .* those are: llama2-7b, smollm2-135m, t5-large$"):
            places.find_preset(Path(wrong))


def test_a_file_of_the_package_that_is_missing_is_told_from_one_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "SCHEMA", tmp_path / "schema.yaml")
    with pytest.raises(UserError, match=r"schema.yaml: No such file or directory; it comes with the package: install"):
        read_yaml(tmp_path / "schema.yaml")
    with pytest.raises(UserError, match=r"own.yaml: No such file or directory$"):
        read_yaml(tmp_path / "own.yaml")


def python(*arguments, cwd, path=""):
    """Runs Python in a folder, with `path` for PYTHONPATH."""
    environment = {**os.environ, "PYTHONPATH": str(path), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, text=True, capture_output=True)


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert re.fullmatch(r"gorp \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.slow
def test_a_wheel_works_away_from_the_checkout(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for part in PARTS:  # a copy, for a build writes beside what it builds
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, source)
    pip = ("-m", "pip", "--quiet", "--disable-pip-version-check")
    done = python(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", ".", str(source), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("gorp-*.whl")
    shutil.rmtree(source)
    done = python(*pip, "install", "--no-deps", "--no-compile", "--target", str(target), str(wheel), cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    installed = sorted(str(file.relative_to(target / "gorp/home")) for file in (target / "gorp/home").rglob("*.*"))
    for part in (
        "config.yaml",
        "workflow/schemas/config.schema.yaml",
        "workflow/presets/t5-large.yaml",
        "workflow/rules/train.smk",
    ):
        assert part in installed
    assert (target / "gorp/home/workflow/Snakefile").is_file()
    for file in ROOT.glob("CL_Benchmark/**/*.json"):
        assert str(file.relative_to(ROOT)) in installed
    assert not [name for name in installed if name.endswith(".py")]

    where = python("-c", "import gorp; print(gorp.__file__)", cwd=tmp_path, path=target)
    assert where.stdout.strip() == str(target / "gorp/__init__.py")
    done = python("-m", "gorp", "--version", cwd=tmp_path, path=target)
    assert done.stdout == f"gorp {wheel.name.split('-')[1]}\n"
    small = ("--set", "batch_size=1", "micro_batch_size=1", "max_source_length=8")
    done = python("-m", "gorp", "plan", "--preset", "smollm2-135m", "--json", *small, cwd=tmp_path, path=target)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 1
    rows = ("preprocess", "--benchmark", "bundled", "--task", "amazon", "--split", "dev", "--output", "rows.jsonl")
    done = python("-m", "gorp", *rows, cwd=tmp_path, path=target)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 100
