"""One file from a server that fails in every way: ridden out, gone on from, or refused."""

import shutil
from pathlib import Path

import loopback
import pytest
from places import CONFIG, HALF, TRAIN, expected, named, parts, paths

from gorp.data.official import fetch as fetching
from gorp.data.official import transfer
from gorp.data.official.fetch import fetch
from gorp.data.official.manifest import blob_id
from gorp.util.errors import UserError

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
    part.with_name("0" * 40).write_bytes(b"of another manifest")
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
