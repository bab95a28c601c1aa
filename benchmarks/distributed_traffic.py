"""Bytes all-reduced and gradient memory of a training step on two processes: GORP beside plain DistributedDataParallel.

    torchrun --standalone --nproc-per-node 2 benchmarks/distributed_traffic.py

The model is a stack of T5-base's matrices, all trained whole: GORP in subspaces of rank 8, refreshed every 10 steps,
DDP with AdamW. Bytes are counted at torch.distributed itself, not estimated; nothing is timed. Gradient memory is the
largest sum of gradients, reduced ones and DDP's buckets (of which the gradients are views) included, after any hook of
a backward pass; inside a hook one whole gradient is there as well. Each step accumulates two passes.
"""

import sys

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from gorp.optim.gorp_adamw import GorpAdamW
from gorp.optim.reduced_gradient import whole_gradient
from gorp.parallel import processes

SIZE, LAYERS, RANK, PERIOD, PASSES = 768, 24, 8, 10, 2


class Counter:
    """Bytes handed to torch.distributed since the last `take`."""

    def __init__(self):
        self.bytes, self.plain = {}, {}
        for name in ("all_reduce", "broadcast"):
            self.plain[name] = getattr(dist, name)
            setattr(dist, name, self.counted(name))

    def counted(self, name):
        def call(tensor, *args, **kwargs):
            self.bytes[name] = self.bytes.get(name, 0) + tensor.nbytes
            return self.plain[name](tensor, *args, **kwargs)

        return call

    def take(self) -> dict[str, int]:
        taken, self.bytes = self.bytes, {}
        return taken


def stack() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(*(nn.Linear(SIZE, SIZE, bias=False) for _ in range(LAYERS)))


def batch(step: int, number: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1000 * step + 10 * number + processes.rank())
    return torch.randn(4, SIZE, generator=generator)


def watch(model: nn.Module, reduced) -> list[int]:
    """The gradient bytes after each hook of the backward passes to come."""
    seen = []

    def note(*_):
        whole = [whole_gradient(p) for p in model.parameters()]
        storages = {gradient.untyped_storage() for gradient in whole if gradient is not None}
        seen.append(sum(storage.nbytes() for storage in storages) + sum(R.nbytes for R in reduced()))

    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(note)
    return seen


def gorp_steps(counter: Counter, stagger: bool) -> list[dict]:
    model = stack()
    named = [(name, p) for name, p in model.named_parameters()]
    optimizer = GorpAdamW(named, lr=1e-5, rank=RANK, refresh_every=PERIOD, stagger=stagger)
    optimizer.project_early()
    seen, rows = watch(model, lambda: optimizer._reduced.values()), []
    for step in range(2 * PERIOD):
        for number in range(PASSES):
            optimizer.complete = number == PASSES - 1
            model(batch(step, number)).square().mean().backward()
        processes.sum_(list(optimizer.reduce().values()))
        rows.append({"step": step + 1, "gradients": max(seen), **counter.take()})
        optimizer.step()
        optimizer.zero_grad()
        seen.clear()
    return rows


def ddp_steps(counter: Counter) -> list[dict]:
    model = DistributedDataParallel(stack(), gradient_as_bucket_view=True)

    def hook(_, bucket):
        work = dist.all_reduce(bucket.buffer().div_(processes.size()), async_op=True)
        return work.get_future().then(lambda done: done.value()[0])

    model.register_comm_hook(None, hook)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    seen, rows = watch(model, list), []
    for step in range(3):
        for number in range(PASSES):
            with model.no_sync() if number < PASSES - 1 else torch.enable_grad():
                model(batch(step, number)).square().mean().backward()
        rows.append({"step": step + 1, "gradients": max(seen), **counter.take()})
        optimizer.step()
        optimizer.zero_grad()
        seen.clear()
    return rows


def main() -> None:
    torch.set_num_threads(1)
    with processes.started():
        if processes.size() == 1:
            sys.exit("start this by torchrun, see its first lines")
        counter = Counter()
        found = {"ddp": ddp_steps(counter), "gorp": gorp_steps(counter, False), "staggered": gorp_steps(counter, True)}
        if processes.rank() == 0:
            report(found)


def report(found: dict[str, list[dict]]) -> None:
    plain = found["ddp"][-1]
    print(f"{LAYERS} matrices of {SIZE} x {SIZE}, rank {RANK}, refresh every {PERIOD} steps, {PASSES} passes a step")
    print(f"k / min(out, in) = {RANK / SIZE:.5f}")
    print(f"{'':<26}{'all-reduced':>14}{'of DDP':>10}{'broadcast':>12}{'gradients':>14}{'of DDP':>10}")
    refresh, between = found["gorp"][PERIOD], found["gorp"][PERIOD + 1]
    staggered = max(found["staggered"][PERIOD:], key=lambda row: row["all_reduce"])
    for name, row in (
        ("DDP", plain),
        ("GORP", between),
        ("GORP, all refresh", refresh),
        ("GORP, most of staggered", staggered),
    ):
        traffic, memory = row["all_reduce"] / plain["all_reduce"], row["gradients"] / plain["gradients"]
        print(
            f"{name:<26}{row['all_reduce']:>14,}{traffic:>10.5f}{row.get('broadcast', 0):>12,}"
            f"{row['gradients']:>14,}{memory:>10.5f}"
        )


if __name__ == "__main__":
    main()
