"""One optimizer step of the full-rank matrices: GorpAdamW against three others, on the shapes of the published runs.

    pip install -r benchmarks/requirements.txt
    python benchmarks/optimizer_step.py            # 48 x [1024, 1024] (T5-large) and 2 x [11008, 4096] (LLaMA-2-7B)
    python benchmarks/optimizer_step.py --quick    # fewer matrices, T5-large's alone

A step is what happens between the backward pass and the next forward pass, the dropping of the gradients included. Its
seconds are the mean over a refresh period: (refresh + (period - 1) * median of the others) / period. Bytes are the
optimizer's state and the gradients that live when the step begins, one backward pass a step.
"""

import argparse
import math
import statistics
import time

import pandas as pd
import torch
from galore_torch import GaLoreAdamW

from gorp.optim.gorp_adamw import GorpAdamW

PERIOD = 10


class Straightforward(torch.optim.Optimizer):
    """The paper's equations as they read: whole gradients, a full SVD, the update lifted to full size, then added."""

    def __init__(self, params, lr, rank):
        super().__init__(params, dict(lr=lr, rank=rank))

    @torch.no_grad()
    def step(self):
        for W in self.param_groups[0]["params"]:
            state, G = self.state[W], W.grad
            t = state.get("step", 0)
            if t % PERIOD == 0:
                state["P"] = torch.linalg.svd(G, full_matrices=False).Vh[: self.defaults["rank"]].mT.clone()
            R = G @ state["P"]
            if t == 0:
                state["M"], state["V"] = torch.zeros_like(R), torch.zeros_like(R)
            state["step"] = t = t + 1
            state["M"] = 0.9 * state["M"] + 0.1 * R
            state["V"] = 0.999 * state["V"] + 0.001 * R * R
            N = (state["M"] / (1 - 0.9**t)) / ((state["V"] / (1 - 0.999**t)).sqrt() + 1e-8)
            W -= self.defaults["lr"] * N @ state["P"].mT


def gorp(weights, rank):
    return GorpAdamW([(str(i), W) for i, W in enumerate(weights)], lr=1e-5, rank=rank, refresh_every=PERIOD)


def galore(weights, rank):
    group = dict(params=weights, rank=rank, update_proj_gap=PERIOD, scale=1.0, proj_type="std")
    return GaLoreAdamW([group], lr=1e-5, no_deprecation_warning=True)


SIDES = {
    "gorp": gorp,
    "straightforward": lambda weights, rank: Straightforward(weights, 1e-5, rank),
    "galore-torch": galore,
    "torch AdamW": lambda weights, rank: torch.optim.AdamW(weights, lr=1e-5),
    "torch AdamW, fused": lambda weights, rank: torch.optim.AdamW(weights, lr=1e-5, fused=True),
}


def gradient(shape, seed):
    """A gradient as a batch of a few hundred tokens gives it: singular values that fall off, and noise."""
    generator = torch.Generator().manual_seed(seed)
    rank = min(256, *shape)
    left, right = (torch.randn(size, rank, generator=generator) for size in shape)
    return (left * torch.arange(1, rank + 1) ** -1.0) @ right.mT / math.sqrt(shape[1])


def measure(optimizers, all_weights, gradients, steps):
    """{side: (seconds of a step averaged over a period, bytes of state and gradients)}.

    All sides take each step in turn, so that a machine that is busy for a while is so for all of them.
    """
    refreshes, others = ({name: [] for name in optimizers} for _ in range(2))
    held = dict.fromkeys(optimizers, 0)
    for step in range(steps):
        for name, optimizer in optimizers.items():
            weights = all_weights[name]
            for W, G in zip(weights, gradients[step % len(gradients)], strict=True):
                W.grad = G.clone()
            start = time.perf_counter()
            if isinstance(optimizer, GorpAdamW):  # its hooks do so in the backward pass: counted with the step here
                optimizer.reduce()
            paused = time.perf_counter()
            held[name] = max(held[name], live_bytes(optimizer, weights)) if step else 0  # the first makes the state
            resumed = time.perf_counter()
            optimizer.step()
            optimizer.zero_grad()
            seconds = time.perf_counter() - start - (resumed - paused)
            (refreshes if step % PERIOD == 0 else others)[name].append(seconds)
    seconds = {  # the first refresh warms up
        name: (statistics.median(refreshes[name][1:]) + (PERIOD - 1) * statistics.median(others[name])) / PERIOD
        for name in optimizers
    }
    return {name: (seconds[name], held[name]) for name in optimizers}


def live_bytes(optimizer, weights):
    """Bytes of storage behind the optimizer's state and the gradients."""
    tensors = [W.grad for W in weights if W.grad is not None]
    tensors += getattr(optimizer, "_reduced", {}).values()
    pending = [state for W, state in optimizer.state.items()]
    while pending:
        value = pending.pop()
        if isinstance(value, torch.Tensor):
            tensors.append(value)
        elif isinstance(value, dict):
            pending += value.values()
        elif hasattr(value, "ortho_matrix"):  # galore's projector
            pending.append(value.ortho_matrix)
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}.values())


def table(title, count, shape, rank, steps):
    gradients = [[gradient(shape, 100 * batch + i) for i in range(count)] for batch in range(3)]
    weights = {name: [torch.nn.Parameter(gradient(shape, i)) for i in range(count)] for name in SIDES}
    optimizers = {name: make(weights[name], rank) for name, make in SIDES.items()}
    measured = measure(optimizers, weights, gradients, steps)
    columns = {"ms a step": 1000, "MB state + gradients": 1e-6}
    rows = {
        name: {column: value * unit for value, (column, unit) in zip(values, columns.items(), strict=True)}
        for name, values in measured.items()
    }
    frame = pd.DataFrame(rows).T
    frame["time / gorp's"] = frame["ms a step"] / frame["ms a step"]["gorp"]
    frame["bytes / AdamW's, %"] = 100 * frame["MB state + gradients"] / frame["MB state + gradients"]["torch AdamW"]
    print(f"\n{title}: {count} x {list(shape)}, rank {rank}, refresh every {PERIOD}, {torch.get_num_threads()} threads")
    print(frame.round(2).to_string(), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 matrices of T5-large alone")
    args = parser.parse_args()
    torch.set_num_threads(2)
    if args.quick:
        table("T5-large, part", 8, (1024, 1024), 8, steps=31)
    else:
        table("T5-large, EncDecAttention q and v", 48, (1024, 1024), 8, steps=31)
        table("LLaMA-2-7B, gate_proj, 2 of 32", 2, (11008, 4096), 2, steps=11)


if __name__ == "__main__":
    main()
