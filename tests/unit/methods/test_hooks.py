"""The hooks of a method: where the training of a stage calls each of them, and what each changes."""

import json

import pytest
import torch

from gorp.config.result_paths import INFO, SPACE, WEIGHTS
from gorp.data.tokens import tokenize
from gorp.methods.base import Method
from gorp.methods.registry import find_method
from gorp.methods.seqlora import SeqLora
from gorp.models.loss import summed_loss
from gorp.models.stage import read_stage
from gorp.parallel import processes
from gorp.train.loop import backward, fit
from gorp.train.memory_plan import make_plan
from gorp.train.stage import train_stage
from gorp.util.errors import UserError


def gradients(family, rows, method, micro_batch_size=2):
    """Gradients of one step by a method, by name."""
    torch.manual_seed(3)
    adapted = method.attach(family.load(), None)
    with torch.no_grad():
        for parameter in adapted.trained.values():
            parameter.add_(0.1)
    examples = tokenize(rows, family.tokenizer, 200, 50)
    loss = backward(method, adapted, method.optimizer(adapted, {}), examples, family.tokenizer, micro_batch_size)
    return adapted, loss, {name: parameter.grad for name, parameter in adapted.trained.items()}


class Decayed(Method):
    """Half the squared norm of all factors, times 0.5."""

    def penalty(self, adapted):
        return 0.25 * sum(parameter.square().sum() for parameter in adapted.trained.values())


class Doubled(Method):
    """The loss once more."""

    def batch_loss(self, adapted, inputs, labels, logits):
        assert inputs["input_ids"].shape[0] == labels.shape[0] == logits.shape[0]
        return summed_loss(logits, labels)


def test_a_penalty_has_its_gradient_once_a_step(family, task_rows, monkeypatch):
    settings = family.settings("seqlora")
    plain, loss, expected = gradients(family, task_rows["topics"], SeqLora(settings))
    _, same, found = gradients(family, task_rows["topics"], Decayed(settings))
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name] + 0.5 * plain.trained[name], atol=1e-6, rtol=1e-4)
    assert same.item() == pytest.approx(loss.item(), rel=1e-6), "the loss that is told is that of the answers"
    monkeypatch.setattr(processes, "rank", lambda: 1)
    monkeypatch.setattr(processes, "size", lambda: 2)
    shares = [gradients(family, task_rows["topics"], kind(settings))[2] for kind in (SeqLora, Decayed)]
    assert all(torch.equal(shares[0][name], shares[1][name]) for name in shares[0]), "process 0 alone has it"


def test_a_loss_of_the_batch_counts_as_the_answers_do(family, task_rows):
    settings = family.settings("seqlora", lora_dropout=0.0)
    _, _, expected = gradients(family, task_rows["topics"], SeqLora(settings))
    _, _, found = gradients(family, task_rows["topics"], Doubled(settings), micro_batch_size=3)
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, 2 * expected[name], atol=1e-6, rtol=1e-4)


def test_the_calls_of_a_step_in_their_order(micros, task_rows):
    family, calls = micros["t5"], []

    class Told(Method):
        def penalty(self, adapted):
            calls.append("penalty")
            return sum(parameter.sum() for parameter in adapted.trained.values())

        def before_pass(self, optimizer, last):
            calls.append(f"pass {last}")

        def gradients(self, adapted, optimizer):
            calls.append("gradients")
            return super().gradients(adapted, optimizer)

        def change_gradients(self, adapted, gradients):
            calls.append("change_gradients")
            for gradient in gradients.values():
                gradient.zero_()

    settings = family.settings("seqlora", batch_size=4, micro_batch_size=2)
    method = Told(settings)
    adapted = method.attach(family.load(), None)
    before = {name: parameter.detach().clone() for name, parameter in adapted.trained.items()}
    examples = tokenize(task_rows["causes"], family.tokenizer, 200, 50)
    fit(method, adapted, method.optimizer(adapted, {}), examples, family.tokenizer, settings, ["causes"])
    assert calls == ["penalty", "pass False", "pass False", "pass True", "gradients", "change_gradients"]
    for name, parameter in adapted.trained.items():
        assert torch.equal(parameter, before[name]), "Adam does nothing with gradients of zero"


def test_kept_factors_compute_what_merged_ones_do(family, chain):
    parent = read_stage(chain(family, "gorp", 1)[-1])
    kind = find_method("gorp")
    kept = type("Kept", (kind,), {"keep_factors": True})
    inputs = torch.tensor([[3, 4, 5, 6]])
    more = {"decoder_input_ids": inputs} if family.name == "t5" else {}
    outputs, names = [], []
    for method in (kind(family.settings()), kept(family.settings())):
        adapted = method.attach(family.load(), parent)
        names.append({name for name, _ in adapted.model.named_parameters() if ".previous." in name})
        with torch.no_grad():
            outputs.append(adapted.model.eval()(input_ids=inputs, **more).logits)
    assert not names[0] and len(names[1]) == len(adapted.lora)
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-5, rtol=1e-4)


OWN = """
import dataclasses
from gorp.config.settings import TrainSettings, setting
from gorp.methods.base import Method

@dataclasses.dataclass(frozen=True)
class Settings(TrainSettings):
    kept_rows: int = setting(2, "Rows of each earlier task.", minimum=0)
    factor: float = 1.0

class Own(Method):
    Settings = Settings
    needs_earlier_rows = True

    def rows(self, rows, earlier):
        return rows + [row for task in earlier for row in task[:self.settings.kept_rows]]

    def carry(self, adapted, optimizer, carried):
        import torch
        return {"times": carried.get("times", torch.zeros(1)) + self.settings.factor}
"""


@pytest.fixture
def own(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(OWN)
    return str(file)


def test_a_file_of_ones_own_is_a_method(micros, tasks, task_rows, tmp_path, own):
    family, kind = micros["t5"], find_method(own).Settings
    settings = kind(**{**vars(family.settings("seqlora")), "kept_rows": 3})
    first, second = tmp_path / "first", tmp_path / "second"
    train_stage(family.path, tasks["moods"], first, own, settings)
    with pytest.raises(
        UserError, match="--earlier: the method needs the rows of the tasks before, moods; got those of"
    ):
        train_stage(family.path, tasks["topics"], second, own, settings, parent=first)
    train_stage(family.path, tasks["topics"], second, own, settings, parent=first, earlier=[tasks["moods"]])
    info = json.loads((second / INFO).read_text())
    assert (info["method"], info["settings"]["kept_rows"]) == ("own", 3)
    assert info["rows"] == len(task_rows["topics"]) + 3
    assert read_stage(second).gradient_space["times"].item() == 2.0
    assert make_plan(family.path, own, settings, earlier_tasks=2).between_steps["gradient_space"] == 4
    alone = tmp_path / "alone"
    none = kind(**{**vars(settings), "kept_rows": 0})
    train_stage(family.path, tasks["topics"], alone, own, none, parent=first, earlier=[tasks["moods"]])
    same, plain = tmp_path / "same", tmp_path / "plain"
    train_stage(family.path, tasks["moods"], same, "seqlora", family.settings("seqlora"))
    train_stage(family.path, tasks["topics"], plain, "seqlora", family.settings("seqlora"), parent=same)
    assert (alone / WEIGHTS).read_bytes() == (plain / WEIGHTS).read_bytes(), "an empty buffer is SeqLoRA"
    assert (alone / SPACE).read_bytes() != (plain / SPACE).read_bytes()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("own.py", None, r"method: .*own\.py: no such file"),
        ("own.py", "class Own(\n", r"method: .*own\.py, line 1: SyntaxError: "),
        ("own.py", "import no_such_thing\n", "method: .*ModuleNotFoundError: No module named 'no_such_thing'"),
        ("own.py", "x = 1\n", r"own\.py: expected one class derived from gorp\.Method, found none"),
        ("own.py", OWN + "class Two(Method): ...\n", "found Own and Two"),
        ("gorp.py", OWN, r"gorp\.py: gorp has a method gorp; give the file another name"),
        ("my own.py", OWN, "name the file by letters, digits, _ and -"),
    ],
)
def test_files_that_are_no_method(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        find_method(str(tmp_path / name))


def test_a_new_optimizer_is_the_methods_own_business(micros, tasks, tmp_path):
    """The loop, the clipping and the plan ask the method alone."""
    family = micros["llama"]
    file = tmp_path / "sgd.py"
    file.write_text(
        "from gorp.methods.base import Method\n\n\nclass Sgd(Method):\n    def optimizer(self, adapted, carried):\n"
        "        import torch\n\n        return torch.optim.SGD(adapted.trained.values(), lr=0.5)\n"
    )
    settings = family.settings("seqlora")
    train_stage(family.path, tasks["moods"], tmp_path / "stage", str(file), settings)
    assert read_stage(tmp_path / "stage").info["method"] == "sgd"
    assert make_plan(family.path, str(file), settings).between_steps["optimizer_state"] == 0
