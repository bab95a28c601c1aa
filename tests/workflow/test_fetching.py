"""`benchmark: official` on a small manifest: what an order needs is fetched, once, and nothing else."""

import functools
import json
import re
import shutil
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from calls import REPOSITORY, jobs, planned, run

from gorp.cli import main
from gorp.official import blob_id

ROWS = ["results/test/data/agnews/train.jsonl", "results/test/data/agnews/test.jsonl"]


@pytest.fixture
def checkout(project, tmp_path, monkeypatch):
    """A copy of the project whose code has a manifest of the project's data, in a clone of the official form."""
    monkeypatch.setenv("no_proxy", "*")
    folder = tmp_path / "checkout"
    shutil.copytree(project, folder, symlinks=True, ignore=shutil.ignore_patterns("results"))
    shutil.copytree(REPOSITORY / "gorp", folder / "code/gorp", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPOSITORY / "CL_Benchmark", folder / "code/CL_Benchmark")
    shutil.copytree(folder / "data", folder / "clone/CL_Benchmark")
    (folder / "clone/configs").mkdir()
    shutil.move(folder / "clone/CL_Benchmark/instruction_config.json", folder / "clone/configs")
    files = {str(path.relative_to(folder / "clone")): blob_id(path) for path in (folder / "clone").rglob("*.json")}
    write_manifest(folder, files)
    return folder


def write_manifest(folder, files):
    content = {"repository": "http://127.0.0.1:9", "commit": "0", "files": files}  # where nobody answers
    (folder / "code/CL_Benchmark/official.json").write_text(json.dumps(content))


def call(folder, *arguments, source="clone", **config):
    return run(folder, *arguments, code=folder / "code", benchmark="official", official_source=source, **config)


def plan(folder, *targets, **config):
    done = call(folder, "--dry-run", *targets, **config)
    assert done.returncode == 0, done.stdout
    return planned(done.stdout)


@contextmanager
def mirror(folder):
    handler = functools.partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_order_plans_to_fetch_what_it_needs(checkout):
    done = call(checkout, "--dry-run", "--printshellcmds", "results/ab/summary.csv")
    counts = jobs(done.stdout)
    assert (counts["fetch"], counts["fetch_instructions"], counts["preprocess"]) == (2, 1, 4)
    fetched = [text for text in planned(done.stdout) if "Fetch" in text]
    assert fetched == ["Fetch agnews", "Fetch amazon", "Fetch the instructions"]
    assert re.search("gorp aggregate .* --benchmark official ", done.stdout)
    assert "--source=clone " in done.stdout
    assert not (checkout / "results").exists()


def test_another_instruction_is_asked_for_before_any_is_known(checkout):
    done = call(checkout, "--dry-run", "--printshellcmds", ROWS[0], prompts={"instruction": "drawn", "seed": 3})
    assert re.search("gorp preprocess .* --instruction=drawn --seed=3 ", done.stdout), done.stdout


@pytest.mark.slow
def test_fetched_once_for_all_runs_and_rendered_as_from_a_folder(checkout):
    with mirror(checkout / "clone") as address:
        done = call(checkout, *ROWS, source=address)
    assert done.returncode == 0, done.stdout
    official = checkout / "results/official"
    for place in ("TC/agnews/train.json", "TC/agnews/dev.json", "instruction_config.json"):
        assert (official / place).read_bytes() == (checkout / "data" / place).read_bytes()
    assert not (official / "SC").exists()
    for row in ROWS:
        data, split, plain = checkout / "data", Path(row).stem, checkout / "plain.jsonl"
        arguments = ["--benchmark", str(data), "--task", "agnews", "--split", split, "--output", str(plain)]
        assert main(["preprocess", *arguments]) == 0
        assert (checkout / row).read_bytes() == plain.read_bytes()
    # neither another source, which would fail, nor the code that fetches, nor another run fetches again
    for name in ("fetch", "transfer"):
        with (checkout / f"code/gorp/{name}.py").open("a") as file:
            file.write("ANOTHER = 1\n")
    assert plan(checkout, *ROWS, source="http://127.0.0.1:9") == []
    other = [row.replace("test/", "other/", 1) for row in ROWS]
    assert plan(checkout, *other, run="other") == ["Render test of agnews", "Render train of agnews"]
    # another pinned file of one data set, or other instructions, concern what is made from them alone
    files = json.loads((checkout / "code/CL_Benchmark/official.json").read_text())["files"]
    edited = checkout / "clone/CL_Benchmark/TC/agnews/train.json"
    edited.write_text(edited.read_text() + "\n")
    write_manifest(checkout, files | {"CL_Benchmark/TC/agnews/train.json": blob_id(edited)})
    both = ["Render test of agnews", "Render train of agnews"]
    assert plan(checkout, *ROWS) == ["Fetch agnews", *both]
    write_manifest(checkout, files | {"configs/instruction_config.json": "0" * 40})
    assert plan(checkout, *ROWS) == ["Fetch the instructions", *both]


@pytest.mark.slow
def test_what_cannot_be_fetched_stops_the_run_and_the_next_goes_on(checkout):
    train = checkout / "clone/CL_Benchmark/TC/agnews/train.json"
    right = train.read_bytes()
    train.write_bytes(right + b" ")
    done = call(checkout, *ROWS)
    assert done.returncode != 0
    assert f"clone/CL_Benchmark/TC/agnews/train.json: refused, its git blob id is {blob_id(train)}" in done.stdout
    assert "Traceback" not in done.stdout
    assert not list((checkout / "results/official").glob("TC/*/*.json"))
    train.write_bytes(right)
    for name in ("labels", "test"):  # they came the first time
        (checkout / f"clone/CL_Benchmark/TC/agnews/{name}.json").unlink()
    done = call(checkout, *ROWS)
    assert done.returncode == 0, done.stdout
    assert (checkout / "results/official/TC/agnews/train.json").read_bytes() == right


@pytest.mark.slow
def test_offline_each_data_set_says_what_is_missing(checkout):
    done = call(checkout, *ROWS, source="")
    assert done.returncode != 0
    assert "gorp fetch: error: no way to http://127.0.0.1:9/0: " in done.stdout
    assert "\n  agnews: dev.json, labels.json, test.json, train.json\n" in done.stdout
    assert "\n  instructions: instruction_config.json\n" in done.stdout
    assert "git clone http://127.0.0.1:9 O-LoRA" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"source": "nowhere"}, "config: official_source: nowhere: no such folder; give one, or an address"),
        (
            {"orders": {"s": {"o": ["amazn"]}}},
            "config: orders: o: the benchmark official has no task 'amazn'; did you mean",
        ),
    ],
)
def test_a_wrong_config_is_one_message(checkout, config, message):
    done = call(checkout, "--dry-run", **config)
    assert done.returncode != 0
    assert message in done.stdout
    assert "Traceback" not in done.stdout
