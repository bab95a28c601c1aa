"""A training that was killed at any moment goes on, and ends with the same bytes."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

from gorp.cli import main
from gorp.config.result_paths import CONFIG, INFO, SPACE, WEIGHTS
from gorp.optim.gorp_adamw import GorpAdamW
from gorp.parallel import processes
from gorp.train.checkpoint import PREFIX, Checkpoint
from gorp.train.saved_state import DamagedState, read_state, save_state
from gorp.train.stage import train_stage
from gorp.util.errors import Interrupted

FILES = (WEIGHTS, SPACE, CONFIG)


def content(folder):
    return {name: (folder / name).read_bytes() for name in FILES} | {
        "losses": json.loads((folder / INFO).read_text())["losses"]
    }


@pytest.fixture
def stop_after(monkeypatch):
    """`stop_after(n)`: from now on a training gets SIGTERM in its n-th step."""

    def stop(steps):
        original, count = Checkpoint.step_done, [0]

        def step_done(self, *args):
            count[0] += 1
            if count[0] == steps:
                os.kill(os.getpid(), signal.SIGTERM)
            original(self, *args)

        monkeypatch.setattr(Checkpoint, "step_done", step_done)

    yield stop


@pytest.mark.parametrize("method", ["gorp", "seqlora"])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_interrupted_and_resumed_equals_uninterrupted(
    family, tasks, chain, tmp_path, stop_after, monkeypatch, method, steps
):
    settings = family.settings(method, epochs=3, lora_dropout=0.3)  # dropout draws from the generator that is restored
    parent = chain(family, method, 1)[-1]
    job = (family.path, tasks["topics"])
    train_stage(*job, tmp_path / "whole", method, settings, 3, parent)
    stop_after(steps)
    with pytest.raises(Interrupted, match=f"SIGTERM; the {steps} steps done are saved"):
        train_stage(*job, tmp_path / "cut", method, settings, 3, parent)
    assert not (tmp_path / "cut" / INFO).exists()
    monkeypatch.undo()
    resumed = []
    original = Checkpoint.resume
    monkeypatch.setattr(Checkpoint, "resume", lambda *args: resumed.append(original(*args)) or list(resumed[0]))
    train_stage(*job, tmp_path / "cut", method, settings, 3, parent)
    assert len(resumed[0]) == steps
    assert content(tmp_path / "cut") == content(tmp_path / "whole")
    assert not list((tmp_path / "cut").glob(f"{PREFIX}*")), "checkpoints go when the stage is done"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("change", ["settings", "seed", "data", "model"])
def test_a_stale_checkpoint_is_never_used(micros, tasks, tmp_path, stop_after, monkeypatch, change):
    family, output = micros["t5"], tmp_path / "out"
    job = {"settings": family.settings(epochs=3), "seed": 3, "data": tasks["moods"]}
    stop_after(2)
    with pytest.raises(Interrupted):
        train_stage(family.path, job["data"], output, "gorp", job["settings"], job["seed"], None)
    assert len(list(output.glob(f"{PREFIX}*"))) == 1
    monkeypatch.undo()
    if change == "model":
        (tmp_path / "model").symlink_to(family.path)
        monkeypatch.setattr("gorp.train.stage.model_key", lambda _: "another")
    else:
        job[change] = {"settings": family.settings(epochs=3, scale=2.0), "seed": 4, "data": tasks["topics"]}[change]
    resumed = []
    original = Checkpoint.resume
    monkeypatch.setattr(Checkpoint, "resume", lambda *args: resumed.append(original(*args)) or list(resumed[0]))
    train_stage(family.path, job["data"], output, "gorp", job["settings"], job["seed"], None)
    assert resumed == [[]]
    assert not list(output.glob(f"{PREFIX}*"))


def flipped(content):
    """Content with one bit of its last tensor the other way round."""
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def changed(change):
    """Damage that has the right digest and the right key: what another version of the code might have saved."""

    def damage(file, key, _):
        state = read_state(file, key)
        change(state)
        save_state(file, state, key)

    return damage


def reshape(state):
    name, tensor = state["trained"].popitem()
    state["trained"][name] = tensor[:1]


DAMAGE = {  # what to do with the file, given its key and another training's file; what is said
    "garbage": (lambda file, *_: file.write_bytes(b"\x80\x02garbage" * 99), "it cannot be read"),
    "empty": (lambda file, *_: file.write_bytes(b""), "it cannot be read"),
    "truncated": (lambda file, *_: file.write_bytes(file.read_bytes()[:-1]), "it cannot be read"),
    "a flipped bit": (lambda file, *_: file.write_bytes(flipped(file.read_bytes())), "does not match the SHA-256"),
    "swapped": (lambda file, _, other: shutil.copy(other, file), "it was saved by another training"),
    "a part missing": (changed(lambda state: state.pop("rng")), "part of the state is missing"),
    "a tensor missing": (changed(lambda state: state["trained"].popitem()), "absent, expected torch.float32 ["),
    "another shape": (changed(reshape), "torch.float32 [1, "),
    "another optimizer": (changed(lambda state: state["optimizer"]["param_groups"].pop()), "the optimizer: "),
}


def test_a_damaged_checkpoint_is_dropped_with_a_message(micros, tasks, tmp_path, stop_after, monkeypatch, capfd):
    family, settings = micros["t5"], micros["t5"].settings(epochs=1)
    train_stage(family.path, tasks["moods"], tmp_path / "whole", "gorp", settings, 3, None)
    stop_after(1)
    for name, seed in (("cut", 3), ("other", 4)):
        with pytest.raises(Interrupted):
            train_stage(family.path, tasks["moods"], tmp_path / name, "gorp", settings, seed, None)
        monkeypatch.undo()
        stop_after(1)
    monkeypatch.undo()
    keys, original = [], Checkpoint.__enter__
    monkeypatch.setattr(Checkpoint, "__enter__", lambda self: keys.append(self.key) or original(self))
    ((file,), (other,)) = ((tmp_path / name).glob(f"{PREFIX}*") for name in ("cut", "other"))
    (file.parent / f"{PREFIX}0123456789abcdef.pt").write_bytes(b"as earlier versions saved it")
    (file.parent / f".{file.name}.123.tmp").write_bytes(b"half of")
    saved = file.read_bytes()
    capfd.readouterr()
    train_stage(family.path, tasks["moods"], file.parent, "gorp", settings, 3, None)
    assert "resumes after step 1" in capfd.readouterr().err
    assert {path.name for path in file.parent.iterdir()} == {*FILES, INFO, "_new_lora"}
    for what, (damage, message) in DAMAGE.items():
        (file.parent / INFO).unlink()
        file.write_bytes(saved)
        damage(file, keys[-1], other)
        train_stage(family.path, tasks["moods"], file.parent, "gorp", settings, 3, None)
        error = capfd.readouterr().err
        assert f"{file}: the damaged checkpoint was dropped; the stage starts from its first step: " in error, what
        assert message in error, what
        assert "resumes after" not in error, what
        assert content(file.parent) == content(tmp_path / "whole"), what
        assert {path.name for path in file.parent.iterdir()} == {*FILES, INFO, "_new_lora"}, what


def test_all_processes_drop_what_one_of_them_finds_damaged(micros, tasks, tmp_path, stop_after, monkeypatch, capfd):
    family, settings = micros["t5"], micros["t5"].settings(epochs=1)
    train_stage(family.path, tasks["moods"], tmp_path / "whole", "gorp", settings, 3, None)
    stop_after(1)
    with pytest.raises(Interrupted):
        train_stage(family.path, tasks["moods"], tmp_path / "cut", "gorp", settings, 3, None)
    monkeypatch.undo()
    monkeypatch.setattr(processes, "gather_texts", lambda text: [text, "it cannot be read: by process 1"])
    train_stage(family.path, tasks["moods"], tmp_path / "cut", "gorp", settings, 3, None)
    assert "starts from its first step: it cannot be read: by process 1\n" in capfd.readouterr().err
    assert content(tmp_path / "cut") == content(tmp_path / "whole")


def same(value, other):
    """Whether two states are the same in types, dtypes, layouts and bits."""
    if type(value) is not type(other):
        return False
    if isinstance(value, torch.Tensor):
        alike = (value.dtype, value.shape, value.stride()) == (other.dtype, other.shape, other.stride())
        return alike and torch.equal(value.reshape(-1).view(torch.uint8), other.reshape(-1).view(torch.uint8))
    if isinstance(value, dict):
        return list(value) == list(other) and all(same(item, other[key]) for key, item in value.items())
    if isinstance(value, list | tuple):
        return len(value) == len(other) and all(map(same, value, other))
    return value == other


@pytest.mark.parametrize("kind", ["AdamW", "GorpAdamW"])
def test_the_state_of_an_optimizer_comes_back_bit_for_bit(tmp_path, kind):
    """Numbers, tuples, keys that are numbers, and tensors that lie by columns in memory."""
    named = {name: torch.nn.Parameter(torch.randn(shape)) for name, shape in (("a", (9, 6)), ("b", (4, 7)))}
    if kind == "AdamW":
        optimizer = torch.optim.AdamW(named.items(), lr=0.1)
    else:
        groups = [{"params": [("a", named["a"])], "rank": 2}, {"params": [("b", named["b"])], "lr": 1 / 3}]
        optimizer = GorpAdamW(groups, {"b": torch.eye(7, 2)})
    for _ in range(2):
        for parameter in named.values():
            parameter.grad = torch.randn(parameter.shape)
        optimizer.step()
    rng = [
        torch.get_rng_state(),
        torch.tensor([float("nan"), -0.0]).bfloat16(),
        torch.zeros(0, 3),
        torch.randn(3, 4).mT,
    ]
    state = {"optimizer": optimizer.state_dict(), "rng": rng, "losses": [0.1, 1e-300], "none": None}
    save_state(tmp_path / "x", state, "key")
    found = read_state(tmp_path / "x", "key")
    assert same(found, state)
    assert found["rng"][3].stride() == (1, 4), "its layout in memory is kept"
    assert not same(found | {"none": 0}, state)
    optimizer.load_state_dict(found["optimizer"])
    assert same(optimizer.state_dict(), state["optimizer"])
    with pytest.raises(TypeError, match="a state cannot hold set"):
        save_state(tmp_path / "y", {"x": {1, 2}}, "key")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_any_flipped_bit_of_a_saved_state_is_found(tmp_path):
    """In the tensors, in the header around them and in what vouches for them."""
    file = tmp_path / "x"
    save_state(file, {"a": torch.ones(3, 2).mT, "b": [(1, 2.5), None]}, "key")
    whole = file.read_bytes()
    for bit in range(0, 8 * len(whole), 3):
        file.write_bytes(whole[: bit // 8] + bytes([whole[bit // 8] ^ 1 << bit % 8]) + whole[bit // 8 + 1 :])
        with pytest.raises(DamagedState):
            read_state(file, "key")


@pytest.mark.slow
def test_killed_at_a_random_moment(micros, tasks, tmp_path):
    """By SIGKILL, in a process of its own: no handler runs. Once in the tests; any number of times by KILLS."""
    family = micros["t5"]
    settings = [f"{key}={value}" for key, value in vars(family.settings(epochs=20)).items()]
    common = ["train", "--model", family.path, "--data", str(tasks["moods"]), "--method", "gorp"]
    common += ["--checkpoint-minutes", "0", "--threads", "1", "--set", *settings, "--output"]
    start = time.monotonic()
    assert main([*common, str(tmp_path / "whole")]) == 0
    whole = time.monotonic() - start
    output, moments, killed = tmp_path / "cut", random.Random(), 0
    for _ in range(int(os.environ.get("KILLS", "1"))):
        command = [sys.executable, "-m", "gorp", *common, str(output)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not list(output.glob(f"{PREFIX}*")) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, whole))
        killed += process.poll() is None
        process.kill()
        process.wait()
    assert main([*common, str(output)]) == 0
    assert content(output) == content(tmp_path / "whole")
    print(f"killed {killed} times")
