"""Fetching in processes of its own: killed half-way, interrupted, two at once."""

import signal
import subprocess
import sys
import threading
import time

import loopback
import pytest
from places import HALF, TRAIN, expected, named, parts, paths

from gorp.data.official import manifest
from gorp.data.official.fetch import fetch


def run_alone(server, output, *, timeout=30):
    """`gorp fetch` in a process of its own, on the manifest of the test."""
    code = (
        "import sys; from gorp.data.official import manifest, transfer\n"
        "from pathlib import Path; from gorp.cli import main\n"
        f"manifest.MANIFEST = Path({str(manifest.MANIFEST)!r}); transfer.TIMEOUT = {timeout}\n"
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
        assert "gorp fetch: error: stopped; what was fetched is kept" in errors
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
    assert "stopped; what was fetched is kept" in errors
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
    assert outputs == [f"{output}: 9 files fetched, 0 already there\n", f"{output}: 0 files fetched, 9 already there\n"]
    assert named(output) == expected(files)
    assert len(paths(server)) == len(set(paths(server)))
