"""GorpAdamW in loops of others: plain torch, transformers.Trainer and accelerate. Resuming gives the same bytes."""

import io

import pytest
import torch
from accelerate import Accelerator
from matrices import orthonormal
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from transformers import Trainer, TrainingArguments

from gorp import GorpAdamW, parameter_groups

STEPS, HALF, PASSES = 6, 3, 2  # HALF is not a step of a refresh: subspaces and moments have to be resumed too


def tiny(early=False):
    """(model, optimizer, scheduler, loader): two matrices in subspaces, one with a basis, and what has none."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 12), nn.Tanh(), nn.Linear(12, 4))
    groups = parameter_groups(model, r"\d", r".*bias", rank=3, lr=0.01, full_rank_lr=0.02, refresh_every=2)
    optimizer = GorpAdamW(groups, {"0.weight": orthonormal(20, 5)}, weight_decay=0.01)
    if early:
        optimizer.project_early()
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, STEPS)
    x = torch.randn(STEPS * PASSES * 4, 20)
    return model, optimizer, scheduler, DataLoader(TensorDataset(x, x[:, :4].tanh()), 4)


def content(model, optimizer):
    """All tensors and numbers, as bytes: of the trained weights and of the optimizer's state."""
    file = io.BytesIO()
    torch.save([{n: p for n, p in model.named_parameters() if p.requires_grad}, optimizer.state_dict()], file)
    return file.getvalue()


def same(one, other):
    """Whether two results are bit for bit the same, whatever objects hold them."""
    read = [torch.load(io.BytesIO(data), weights_only=True) for data in (one, other)]
    leaves = [torch.utils._pytree.tree_flatten(value) for value in read]
    assert leaves[0][1] == leaves[1][1]
    assert len(leaves[0][0]) > 10
    return all(
        torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
        for a, b in zip(*(leaf for leaf, _ in leaves), strict=True)
    )


def steps_of_torch(model, optimizer, scheduler, loader, first, last, early):
    passes = list(loader)
    for step in range(first, last):
        for number, (x, y) in enumerate(passes[step * PASSES : (step + 1) * PASSES], 1):
            optimizer.complete = number == PASSES
            (nn.functional.mse_loss(model(x), y) / PASSES).backward()
        if early:
            optimizer.clip_grad_norm_(0.05)
        else:
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.05)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("early", [False, True])
def test_plain_torch(early):
    whole = tiny(early)
    steps_of_torch(*whole, 0, STEPS, early)
    first = tiny(early)
    steps_of_torch(*first, 0, HALF, early)
    file = io.BytesIO()
    torch.save([part.state_dict() for part in first[:3]], file)
    second = tiny(early)
    for part, state in zip(second, torch.load(io.BytesIO(file.getvalue()), weights_only=True), strict=False):
        part.load_state_dict(state)
    steps_of_torch(*second, HALF, STEPS, early)
    assert same(content(*whole[:2]), content(*second[:2]))
    assert not same(content(*whole[:2]), content(*first[:2]))


def steps_of_accelerate(folder, first, last, resume=False, early=False):
    """A training in accelerate's way; saves its state in the folder when it ends early."""
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=PASSES)
    model, own, scheduler, loader = tiny(early)
    model, optimizer, loader, scheduler = accelerator.prepare(model, own, loader, scheduler)
    if resume:
        accelerator.load_state(folder)
        loader = accelerator.skip_first_batches(loader, first * PASSES)
    step = first
    for x, y in loader:
        with accelerator.accumulate(model):
            own.complete = accelerator.sync_gradients
            accelerator.backward(nn.functional.mse_loss(model(x), y))
            if accelerator.sync_gradients:
                own.clip_grad_norm_(0.05) if early else accelerator.clip_grad_norm_(model.parameters(), 0.05)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
        step += accelerator.sync_gradients
        if step == last:
            break
    if last < STEPS:
        accelerator.save_state(folder)
    return content(model, own)


@pytest.mark.parametrize("early", [False, True])
def test_accelerate(tmp_path, early):
    whole = steps_of_accelerate(tmp_path, 0, STEPS, early=early)
    half = steps_of_accelerate(tmp_path, 0, HALF, early=early)
    assert same(whole, steps_of_accelerate(tmp_path, HALF, STEPS, resume=True, early=early))
    assert not same(whole, half)
    ours = tiny(early)
    steps_of_torch(*ours, 0, STEPS, early)
    assert same(whole, content(*ours[:2])), "as the plain loop trains"


def steps_of_trainer(micro, folder, resume=None, early=False):
    """A training of a peft model by transformers.Trainer, which clips gradients and saves a checkpoint at HALF."""
    torch.manual_seed(0)
    config = LoraConfig(target_modules=r".*SelfAttention\.q", modules_to_save=["wo"], task_type="SEQ_2_SEQ_LM", r=2)
    model = get_peft_model(micro.load(), config)
    groups = parameter_groups(model, r".*DenseReluDense\.wo", r".*lora_[AB].*", rank=3, lr=0.02, full_rank_lr=0.02)
    basis = {groups[0]["params"][0][0]: orthonormal(48, 5)}  # wo is 32 x 48
    optimizer = GorpAdamW(groups, basis, refresh_every=2)
    if early:
        optimizer.project_early()
    rows = [{"input_ids": [7 + i, 8, 9, 1], "labels": [5 + i % 3, 1]} for i in range(STEPS * PASSES * 2)]
    arguments = TrainingArguments(
        str(folder),
        max_steps=STEPS,
        save_steps=HALF,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=PASSES,
        max_grad_norm=0.5,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    trainer = Trainer(model, arguments, train_dataset=rows, optimizers=(optimizer, None))
    trainer.train(resume_from_checkpoint=resume)
    return content(model, optimizer)


def test_trainer(micros, tmp_path):
    whole = steps_of_trainer(micros["t5"], tmp_path / "whole")
    half = tmp_path / f"whole/checkpoint-{HALF}"
    assert same(whole, steps_of_trainer(micros["t5"], tmp_path / "resumed", str(half)))


def test_trainer_wants_whole_gradients(micros, tmp_path):
    """It takes their norm in every step, if only to log it: no training goes on with a norm of some gradients."""
    with pytest.raises(RuntimeError, match=r"wo\.modules_to_save\.default\.weight: its gradient is already reduced"):
        steps_of_trainer(micros["t5"], tmp_path, early=True)


def test_clipping_whole_gradients_scales_what_the_optimizer_takes():
    """As torch, Trainer and accelerate do it: by the norm of the whole gradients, which is the larger one."""
    model, optimizer, _, loader = tiny()
    x, y = next(iter(loader))
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward(retain_graph=True)
    unclipped = {name: gradient.clone() for name, gradient in optimizer.reduce().items()}
    norm = torch.stack([gradient.norm() for gradient in unclipped.values()]).norm()
    optimizer.zero_grad()
    loss.backward()
    total = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.05)
    assert total > norm > 0.05
    for name, gradient in optimizer.reduce().items():
        torch.testing.assert_close(gradient, unclipped[name] * (0.05 / total), atol=1e-7, rtol=1e-4, msg=name)
