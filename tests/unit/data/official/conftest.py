"""A small official benchmark: its files, its manifest, a server on the loopback, a folder like a clone."""

import json
import random
import socket

import pytest
from loopback import Loopback
from places import CONFIG

from gorp.data.official import manifest, transfer
from gorp.data.official.manifest import blob_id

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
    content = {"repository": "https://github.com/someone/Data", "commit": "c0ffee", "files": ids}
    (tmp_path / "official.json").write_text(json.dumps(content))
    monkeypatch.setattr(manifest, "MANIFEST", tmp_path / "official.json")
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
