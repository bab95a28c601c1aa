"""One of the processes that a launcher starts for the tests: runs a file of cases, one after the other.

A case trains a stage; "signal" [number, step] sends that signal to the second process after a step. With "differs" the
second process starts from other weights and finds other subspaces, as another machine might. "evaluation" is what it is
evaluated on as it trains. With "probe" it trains,
generates and trains on, and writes what came out. With "budget" it predicts, in batches of so many tokens.
"""

import os
import sys
from pathlib import Path

import torch

import gorp.train.stage
from gorp.data.batches import pad
from gorp.data.tokens import tokenize
from gorp.methods.registry import make_method, method_settings
from gorp.models.loading import load_base
from gorp.optim import projection
from gorp.parallel import processes
from gorp.prediction.during_training import Evaluation
from gorp.prediction.predict import predict
from gorp.train.checkpoint import Checkpoint
from gorp.train.loop import fit
from gorp.train.stage import train_stage
from gorp.util.errors import Interrupted
from gorp.util.files import read_json, read_jsonl, write_json

step_done, fit_plainly, subspace = Checkpoint.step_done, fit, projection.subspace


def main(cases: str) -> None:
    torch.set_num_threads(1)
    with processes.started():
        for case in read_json(cases):
            torch.distributed.barrier()  # as between two launches: what the first process writes is there
            if "budget" in case:
                predict(
                    case["model"], case["stage"], case["data"], case["output"], 200, 8, case["budget"], "float32", True
                )
            else:
                (probe if case.get("probe") else train)(case)


def train(case: dict) -> None:
    number, step = case.get("signal") or (0, 0)
    steps = []

    def step_done_and_signal(self, *args):
        steps.append(1)
        if len(steps) == step and processes.rank() == 1:
            os.kill(os.getpid(), number)
        step_done(self, *args)

    def fit_from_elsewhere(method, adapted, *args):
        with torch.no_grad():
            for parameter in adapted.trained.values():
                parameter.add_(1)
        return fit_plainly(method, adapted, *args)

    Checkpoint.step_done = step_done_and_signal
    differs = case.get("differs") and processes.rank() == 1
    gorp.train.stage.fit = fit_from_elsewhere if differs else fit_plainly
    projection.subspace = (lambda *args: -subspace(*args)) if differs else subspace
    settings = method_settings(case["method"], case["settings"])
    paths = [Path(case[key]) if case[key] else None for key in ("data", "output", "parent", "deepspeed")]
    data, output, parent, deepspeed = paths
    common = (case["method"], settings, case["seed"], parent, case["dtype"], case["checkpoint_minutes"], deepspeed)
    evaluation = Evaluation(*case["evaluation"]) if "evaluation" in case else None
    try:
        train_stage(case["model"], data, output, *common, evaluation)
    except Interrupted as interrupted:
        (output / f"interrupted-{processes.rank()}").write_text(str(interrupted))


def probe(case: dict) -> None:
    settings = method_settings(case["method"], case["settings"])
    rows = read_jsonl(case["data"])
    torch.manual_seed(7)
    base, tokenizer = load_base(case["model"])
    method = make_method(case["method"], settings)
    zero = read_json(case["deepspeed"])["zero_optimization"] if case["deepspeed"] else None
    adapted = method.attach(base, None, zero)
    optimizer = method.optimizer(adapted, {})
    examples = tokenize(rows, tokenizer, settings.max_source_length, settings.max_target_length)
    training = (method, adapted, optimizer, examples, tokenizer, settings, ["probe"])
    losses = fit(*training)
    adapted.model.eval()
    own = [example.source for example in examples[processes.rank() :: processes.size()]]
    left = not base.config.is_encoder_decoder
    mask = pad([[1] * len(ids) for ids in own], 0, left)
    inputs = {"input_ids": pad(own, tokenizer.pad_token_id, left), "attention_mask": mask}
    with torch.no_grad():
        decoder = {} if left else {"decoder_input_ids": inputs["input_ids"][:, :3]}
        logits = adapted.model(**inputs, **decoder).logits[:, -1]
        length = 5 + 5 * processes.rank()
        answers = adapted.model.generate(**inputs, max_new_tokens=length, do_sample=False, synced_gpus=True)
    losses += fit(*training)
    sharded = sorted(name for name, p in base.named_parameters() if p.numel() == 0)
    found = {"losses": losses, "logits": logits.tolist(), "answers": answers.tolist(), "sharded": sharded}
    write_json(f"{case['output']}-{processes.rank()}.json", found)


if __name__ == "__main__":
    main(sys.argv[-1])
