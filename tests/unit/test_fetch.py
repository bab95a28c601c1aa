"""Fetching from a server on the loopback that fails in every way, and from folders: whole and sure, or not there."""

import json
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import loopback
import pytest
from loopback import Loopback

from gorp import fetch as fetching
from gorp import official, transfer
from gorp.errors import UserError
from gorp.fetch import fetch
from gorp.official import blob_id

TRAIN = "CL_Benchmark/SC/amazon/train.json"
DEV = "CL_Benchmark/SC/amazon/dev.json"
CONFIG = "configs/instruction_config.json"


CONNECT, LOOK_UP = socket.socket.connect, socket.getaddrinfo


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """In place of the one that all tests share: the loopback is open, whatever goes further fails the test."""

    def connect(self, address):
        assert address[0] == "127.0.0.1", "the network was tried"
        return CONNECT(self, address)

    def look_up(host, *arguments, **options):
        assert host == "127.0.0.1", "the network was tried"
        return LOOK_UP(host, *arguments, **options)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.fixture
def files():
    """Two data sets whose dev is test, as in the official benchmark, and the instructions, by repository path."""
    noise = random.Random(0)
    content = {CONFIG: noise.randbytes(1230)}
    for folder in ("CL_Benchmark/SC/amazon", "CL_Benchmark/NLI/CB"):
        content |= {f"{folder}/labels.json": noise.randbytes(40), f"{folder}/train.json": noise.randbytes(300_000)}
        content |= dict.fromkeys([f"{folder}/dev.json", f"{folder}/test.json"], noise.randbytes(100_000))
    return content


@pytest.fixture
def pinned(files, tmp_path, monkeypatch):
    """A manifest of these files in place of the official one; short waits; no proxy."""
    clone = tmp_path / "clone"
    for path, body in files.items():
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        (clone / path).write_bytes(body)
    ids = {path: blob_id(clone / path) for path in files}
    manifest = {"repository": "https://github.com/someone/Data", "commit": "c0ffee", "files": ids}
    (tmp_path / "official.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(official, "MANIFEST", tmp_path / "official.json")
    monkeypatch.setattr(transfer, "BACKOFF", 0.001)
    monkeypatch.setattr(transfer, "TIMEOUT", 0.5)
    monkeypatch.setattr(transfer, "GRACE", 0.05)
    monkeypatch.setenv("no_proxy", "*")
    return ids


@pytest.fixture
def clone(pinned, tmp_path):
    return tmp_path / "clone"


@pytest.fixture
def server(files, pinned):
    with Loopback(files) as running:
        yield running


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out"


def named(output):
    """What is under a final name: {path below the folder: digest}."""
    under_way = output / fetching.UNDER_WAY
    found = (file for file in output.rglob("*") if file.is_file() and under_way not in file.parents)
    return {file.relative_to(output).as_posix(): digest(file.read_bytes()) for file in found}


def digest(body):
    """Short, since a difference of 300,000 bytes takes a minute to print."""
    return f"{len(body)} bytes, {zlib.crc32(body)}"


def parts(output):
    """What is under way, {blob id: bytes}."""
    found = (output / fetching.UNDER_WAY).glob("*/*")
    return {file.name: file.read_bytes() for file in found if file.name != fetching.LOCK}


def expected(files, *folders):
    places = {path.partition("/")[2]: digest(body) for path, body in files.items()}
    return {place: content for place, content in places.items() if not folders or place.startswith(folders)}


def paths(server):
    return sorted(path for path, _ in server.asked)


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
    assert "amazon/train.json: not the official file; fetching it anew" in capsys.readouterr().err


HALF = "bytes=150000-"


PASSING = {
    "503": ([loopback.say(503)], [None, None]),
    "429": ([loopback.say(429, Retry_After="0")], [None, None]),
    "four troubles": ([loopback.say(500), loopback.say(502), loopback.say(408), loopback.drop], [None] * 5),
    "no answer": ([loopback.drop], [None, None]),
    "silence": ([loopback.stall], [None, HALF]),
    "half": ([loopback.truncate], [None, HALF]),
    "half, no ranges": ([loopback.truncate, loopback.ignore_range], [None, HALF]),
    "half, another range": ([loopback.truncate, loopback.wrong_range], [None, HALF, HALF]),
    "half, 503": ([loopback.truncate, loopback.say(503)], [None, HALF, HALF]),
    "half, corrupt": ([loopback.truncate, loopback.corrupt], [None, HALF, None]),
    "half, length unknown": ([loopback.truncate_without_length], [None, None]),
    "corrupt": ([loopback.corrupt], [None, None]),
    "often corrupt": ([loopback.corrupt] * 4, [None] * 5),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_ridden_out_and_gone_on_from(server, files, output, name):
    trouble, ranges = PASSING[name]
    server.script[TRAIN] = list(trouble)
    assert fetch(["amazon"], server.url, output) == (4, 0)
    assert named(output) == expected(files, "SC")
    assert [asked for path, asked in server.asked if path == TRAIN] == ranges


@pytest.mark.parametrize("act", [loopback.corrupt, loopback.truncate_without_length])
def test_another_file_is_refused_and_its_data_set_is_not_there(server, files, pinned, output, act, tmp_path):
    server.script[TRAIN] = [act] * transfer.TRIES
    (tmp_path / "wrong").write_bytes(
        files[TRAIN][:-1] + bytes([files[TRAIN][-1] ^ 1]) if act is loopback.corrupt else files[TRAIN][:150_000]
    )
    with pytest.raises(UserError) as caught:
        fetch([], server.url, output)
    message = f"{TRAIN}: refused, its git blob id is {blob_id(tmp_path / 'wrong')}, expected {pinned[TRAIN]}"
    assert f"{message} (tried 5 times from {server.url})" in str(caught.value)
    assert "1 files could not be fetched" in str(caught.value)
    assert named(output) == expected(files, "NLI", "instruction")
    server.asked.clear()
    assert fetch([], server.url, output) == (4, 5)
    assert server.asked == [(TRAIN, None)], "the other parts of the data set are gone on from"
    assert named(output) == expected(files)


def test_what_the_server_lacks_is_named_with_a_way_out(server, files, output):
    del server.files[TRAIN]
    with pytest.raises(UserError) as caught:
        fetch(["amazon"], server.url, output)
    assert f"{TRAIN}: not at {server.url}" in str(caught.value)
    assert "git clone https://github.com/someone/Data O-LoRA && git -C O-LoRA checkout c0ffee" in str(caught.value)
    assert [path for path, _ in server.asked if "train" in path] == [TRAIN, "SC/amazon/train.json"]
    assert named(output) == {}


def test_a_final_answer_is_not_asked_for_again(server, output):
    server.script[TRAIN] = [loopback.say(403)]
    with pytest.raises(UserError, match=f"{server.url}/{TRAIN}: the server says 403 Forbidden"):
        fetch(["amazon"], server.url, output)
    assert paths(server).count(TRAIN) == 1


@pytest.mark.parametrize("left", [b"", b"no beginning of it", b"x" * 300_000, b"x" * 300_001])
def test_a_part_that_is_no_beginning_is_thrown_away(server, files, pinned, output, left):
    part = output / fetching.UNDER_WAY / "amazon" / pinned[TRAIN]
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    fetch(["amazon"], server.url, output)
    assert named(output) == expected(files, "SC")
    assert not parts(output)


def test_waits_double_and_the_server_may_ask_for_more(server, output, monkeypatch):
    waits = []
    monkeypatch.setattr(transfer.Source, "pause", lambda self, seconds: waits.append(seconds))
    monkeypatch.setattr(transfer, "BACKOFF", 1.0)
    server.script[CONFIG] = [loopback.say(503)] * 4
    fetch(["instructions"], server.url, output)
    assert [wait for wait in waits if wait] == [1, 2, 4, 8]
    waits.clear()
    shutil.rmtree(output)
    server.script[CONFIG] = [loopback.say(429, Retry_After=text) for text in ("7", "900", "soon")]
    fetch(["instructions"], server.url, output)
    assert [wait for wait in waits if wait] == [7, 60, 4]


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
    assert "no way to https://raw.githubusercontent.com/someone/Data/c0ffee: " in str(caught.value)
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


def run_alone(server, output, *, timeout=30):
    """`gorp fetch` in a process of its own, on the manifest of the test."""
    code = (
        "import sys; from gorp import official, transfer; from pathlib import Path; from gorp.cli import main\n"
        f"official.MANIFEST = Path({str(official.MANIFEST)!r}); transfer.TIMEOUT = {timeout}\n"
        f"sys.exit(main(['fetch', '--source', {server.url!r}, '--output', {str(output)!r}]))"
    )
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_half_way_it_goes_on(server, files, pinned, output, number):
    server.script[TRAIN] = [loopback.stall]
    server.script["CL_Benchmark/NLI/CB/train.json"] = [loopback.stall]
    process = run_alone(server, output, timeout=1)
    wait_until(lambda: sorted(map(len, parts(output).values()))[-2:] == [150_000, 150_000])
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode != 0
    assert "Traceback" not in errors
    if number == signal.SIGINT:
        assert "gorp fetch: error: stopped; what was brought is kept" in errors
    assert named(output).items() <= expected(files, "instruction").items(), "no data set was whole"
    there = {path for path, blob in pinned.items() if (len(parts(output).get(blob, b"")) == len(files[path]))}
    server.asked.clear()
    fetch([], server.url, output)
    assert named(output) == expected(files)
    assert (TRAIN, HALF) in server.asked
    assert not there & set(paths(server))


def test_ctrl_c_does_not_wait_for_a_slow_server(server, output):
    server.script[TRAIN] = [loopback.trickle]  # 150 seconds of it
    process = run_alone(server, output)
    assert server.begun.wait(20)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=15)
    assert "stopped; what was brought is kept" in errors
    assert TRAIN.partition("/")[2] not in named(output)


def wait_until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def test_two_at_once_share_the_work(server, files, output, capfd):
    """The second waits for the first, then finds everything; without a lock both would append to the same parts."""
    first_asked, go_on = threading.Event(), threading.Event()

    def hold(handler, body):
        first_asked.set()
        go_on.wait(20)
        loopback.serve(handler, body)

    server.script[TRAIN] = [hold]
    first = run_alone(server, output)
    assert first_asked.wait(20)
    second = run_alone(server, output)
    assert "waiting for another fetch of CB" in second.stderr.readline()
    go_on.set()
    outputs = [process.communicate(timeout=20)[0] for process in (first, second)]
    assert outputs == [f"{output}: 9 files fetched, 0 were there\n", f"{output}: 0 files fetched, 9 were there\n"]
    assert named(output) == expected(files)
    assert len(paths(server)) == len(set(paths(server)))


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


def test_a_full_disk_is_no_reason_to_try_again(server, pinned, output, monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def write(self, data):
            raise OSError(28, "No space left on device")

    plain = Path.open

    def open_or_full(self, mode="r", *arguments, **options):
        return Full() if mode in ("ab", "wb") else plain(self, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", open_or_full)
    with pytest.raises(UserError, match=f"{pinned[TRAIN]}: No space left on device"):
        fetch(["amazon"], server.url, output)
    assert paths(server) == sorted(set(paths(server)))
    assert named(output) == {}
