"""Data sets from a server or a folder: in parallel, whole or not there, and a word at once without a network."""

import shutil
import socket
import threading
import time

import loopback
import pytest
from loopback import Loopback
from places import CONFIG, DEV, HALF, TRAIN, digest, expected, named, parts, paths

from gorp.data.official import fetch as fetching
from gorp.data.official import transfer
from gorp.data.official.fetch import fetch
from gorp.data.official.manifest import blob_id
from gorp.util.errors import UserError


def test_everything_comes_once_and_is_not_asked_for_again(server, files, output):
    assert fetch([], server.url, output) == (9, 0)
    assert named(output) == expected(files)
    assert not parts(output)
    same = {"CL_Benchmark/SC/amazon/test.json", "CL_Benchmark/NLI/CB/test.json"}  # as dev.json, which comes first
    assert paths(server) == sorted(files.keys() - same)
    server.asked.clear()
    assert fetch([], server.url, output) == (0, 9)
    assert server.asked == []


def test_named_data_sets_alone(server, files, output):
    assert fetch(["amazon", "instructions"], server.url + "/", output) == (5, 0)
    assert named(output) == expected(files, "SC", "instruction")
    with pytest.raises(UserError, match=r"--task: no 'amazn' in the official benchmark; did you mean amazon\?"):
        fetch(["amazn"], server.url, output)


def test_a_damaged_or_removed_file_alone_comes_anew(server, files, output, capsys):
    fetch([], server.url, output)
    server.asked.clear()
    (output / "SC/amazon/train.json").write_bytes(b"edited")
    (output / "NLI/CB/test.json").unlink()
    assert fetch([], server.url, output) == (2, 7)
    assert named(output) == expected(files)
    assert paths(server) == ["CL_Benchmark/NLI/CB/dev.json", TRAIN]
    assert "amazon/train.json: not the official file; fetching it again" in capsys.readouterr().err


def test_files_come_in_parallel(server, files, output):
    """Each request waits until as many others are there: one after the other they would never be answered."""
    together = threading.Barrier(7)

    def wait_for_others(handler, body):
        together.wait(10)
        loopback.serve(handler, body)

    for path in files:
        server.script[path] = [wait_for_others]
    assert fetch([], server.url, output) == (9, 0)
    assert paths(server) == sorted(set(paths(server)))


OFFLINE = {
    "no name": (socket.gaierror(-3, "Temporary failure in name resolution"), "Temporary failure in name resolution"),
    "no route": (OSError(101, "Network is unreachable"), "Network is unreachable"),
    "silence": (TimeoutError("timed out"), "timed out"),
}


@pytest.mark.parametrize("name", OFFLINE)
def test_offline_says_at_once_what_is_missing_and_how_to_bring_it(pinned, output, monkeypatch, name):
    error, text = OFFLINE[name]
    calls = []

    def fail(*_, **__):
        calls.append(1)
        raise error

    monkeypatch.setattr(socket, "getaddrinfo" if name == "no name" else "create_connection", fail)
    monkeypatch.setattr(transfer, "BACKOFF", 100)
    start = time.monotonic()
    with pytest.raises(UserError) as caught:
        fetch(["amazon", "instructions"], "", output)
    assert time.monotonic() - start < 2
    assert len(calls) <= 4, "no second try"
    assert "cannot reach https://raw.githubusercontent.com/someone/Data/c0ffee: " in str(caught.value)
    assert text in str(caught.value)
    assert "amazon: dev.json, labels.json, test.json, train.json\n" in str(caught.value)
    assert "instructions: instruction_config.json\n" in str(caught.value)
    assert "CB" not in str(caught.value)
    assert "git clone https://github.com/someone/Data" in str(caught.value)
    assert "official_source: path/to/O-LoRA" in str(caught.value)
    assert named(output) == {}


def test_what_is_there_needs_no_network(server, output, monkeypatch):
    fetch(["amazon"], server.url, output)
    monkeypatch.setattr(socket, "create_connection", None)
    assert fetch(["amazon"], "", output) == (0, 4)


def test_a_server_that_dies_leaves_what_is_whole_and_a_new_one_goes_on(files, pinned, output, monkeypatch):
    monkeypatch.setattr(fetching, "WORKERS", 1)
    with Loopback(files) as server:

        def die(handler, body):
            loopback.truncate(handler, body)
            handler.server.socket.close()

        server.script[TRAIN] = [die]
        monkeypatch.setattr(transfer, "TRIES", 2)
        with pytest.raises(UserError, match=rf"(?s)could not be fetched.*{TRAIN}: .*refused \(tried 2 times"):
            fetch([], server.url, output)
        before = parts(output)
        assert digest(before[pinned[TRAIN]]) == digest(files[TRAIN][:150_000])
        assert named(output).items() <= expected(files).items()
    with Loopback(files) as server:
        fetch([], server.url, output)
        assert (TRAIN, HALF) in server.asked
        assert not {path for path, blob in pinned.items() if path != TRAIN and blob in before} & set(paths(server))
    assert named(output) == expected(files)


def move_up(clone):
    """A plain benchmark folder: groups and instructions side by side."""
    shutil.move(clone / CONFIG, clone / "CL_Benchmark")
    return clone / "CL_Benchmark"


LAYOUTS = {
    "a clone": lambda clone: clone,
    "a benchmark folder": move_up,
    "a folder with a benchmark folder": lambda clone: move_up(clone).parent,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_folder_or_a_mirror_of_it(clone, files, output, name):
    folder = LAYOUTS[name](clone)
    assert fetch([], str(folder), output) == (9, 0)
    assert named(output) == expected(files)
    mirrored = {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    with Loopback(mirrored) as server:
        assert fetch([], server.url, output.parent / "mirrored") == (9, 0)
    assert named(output.parent / "mirrored") == expected(files)


def test_a_folder_with_other_or_missing_files(clone, pinned, output):
    (clone / TRAIN).write_bytes(b"another\n")
    with pytest.raises(UserError, match=r"(?s)train\.json: refused.*git clone"):
        fetch([], str(clone), output.parent / "first")
    (clone / DEV).unlink()
    with pytest.raises(UserError) as caught:
        fetch([], str(clone), output)
    assert f"{clone / TRAIN}: refused, its git blob id is {blob_id(clone / TRAIN)}, expected {pinned[TRAIN]}" in str(
        caught.value
    )
    assert f"{DEV}: not in {clone}" in str(caught.value)
    assert "git clone" in str(caught.value)
    assert not (output / "SC").exists()
    assert (output / "NLI/CB/train.json").is_file()


@pytest.mark.parametrize("place", ["./nowhere", "ftp://127.0.0.1/data", "htp://x"])
def test_a_source_that_is_none(pinned, output, place):
    with pytest.raises(UserError, match=rf"official_source: {place}: no such folder; give one, or an address"):
        fetch([], place, output)
    assert not output.exists()
