"""The gradient subspace: energy against the exact one, on known spectra and on gradients of real trainings."""

import pytest
import torch
from matrices import energy, off_orthonormal, orthonormal, random, with_spectrum
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

from gorp.config.settings import TrainSettings
from gorp.data.tokens import tokenize
from gorp.methods.base import Method
from gorp.models.adapters import Adapted
from gorp.optim import projection
from gorp.optim.gorp_adamw import GorpAdamW
from gorp.optim.projection import FEWEST, MOST, SMALL, is_finite, subspace, unfold
from gorp.train.fake_tensors import LiveBytes
from gorp.train.loop import backward

SHAPES = [(180, 150), (150, 180)]  # large enough that the subspace is iterated rather than exact
SPECTRA = {
    "halving": lambda i: 0.5**i,
    "nine tenths": lambda i: 0.9**i,
    "1/i": lambda i: 1 / i,
    "1/sqrt(i)": lambda i: i**-0.5,
    "a gap": lambda i: 1.0 if i <= 8 else 0.1,
    "flat": lambda i: 1.0,
}
SLOW = [101.0 - i for i in range(1, 101)]  # hardly any decay: a few rounds do not get there


def spectrum(name):
    return [SPECTRA[name](i) for i in range(1, 101)]


def share(G_wn, P_nk, sigmas):
    """The energy along P as a part of the most that so many directions can have."""
    return energy(G_wn, P_nk) / sum(sigma**2 for sigma in sigmas[: P_nk.shape[1]])


@pytest.mark.parametrize("k", [1, 2, 4])
def test_a_small_matrix_gets_the_exact_one(k):
    sigmas = [8.0, 4.0, 2.0, 1.0]
    G_wn = with_spectrum(9, 4, sigmas)
    P_nk = subspace(G_wn, k)
    assert P_nk.shape == (4, k)
    assert off_orthonormal(P_nk) < 1e-6
    assert share(G_wn, P_nk, sigmas) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("start", [False, True])
@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("shape", SHAPES)
def test_iteration_has_the_energy_of_the_exact_one(shape, name, start):
    """Cold, or from the subspace of a gradient that has something in common with this one."""
    sigmas, k = spectrum(name), 8
    G_wn = with_spectrum(*shape, sigmas)
    before = subspace(G_wn + 0.1 * with_spectrum(*shape, sigmas, seed=5), k, exact=True) if start else None
    P_nk = subspace(G_wn, k, before)
    assert P_nk.shape == (shape[1], k)
    assert off_orthonormal(P_nk) < 1e-5
    assert share(G_wn, P_nk, sigmas) > 0.998
    assert share(G_wn, subspace(G_wn, k, before, exact=True), sigmas) == pytest.approx(1, rel=1e-5)


def test_columns_are_the_singular_vectors_leading_first():
    sigmas = spectrum("halving")
    G_wn = with_spectrum(180, 150, sigmas)
    for P_nk in (subspace(G_wn, 4), subspace(G_wn, 4, exact=True), subspace(G_wn[:, :20], 4)):
        R_wk = G_wn[:, : P_nk.shape[0]] @ P_nk
        assert (R_wk.norm(dim=0).diff() < 0).all()
        assert (R_wk.mT @ R_wk).triu(1).abs().max() < 1e-6, "which do not mix in the reduced gradient"


@pytest.mark.parametrize("k", [1, 8, 40])
@pytest.mark.parametrize("start", [False, True])
def test_iteration_has_the_energy_of_the_exact_one_without_any_decay(start, k):
    """Of white noise, and of singular values that fall evenly; cold, or from a start that knows nothing of it."""
    for G_wn in (random(300, 200), with_spectrum(300, 200, SLOW)):
        exact = energy(G_wn, subspace(G_wn, k, exact=True))
        P_nk = subspace(G_wn, k, orthonormal(200, k, seed=3) if start else None)
        assert off_orthonormal(P_nk) < 1e-5
        assert 0.99 < energy(G_wn, P_nk) / exact < 1.0001


@pytest.fixture
def rounds(monkeypatch):
    """Counts the rounds of each subspace that is iterated."""
    counts, iterate = [], projection.iterate

    class Counting(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            counts[-1] += func is torch.ops.aten.linalg_qr.default
            return func(*args, **(kwargs or {}))

    def counted(*args):
        counts.append(0)
        with Counting():
            result = iterate(*args)
        counts[-1] /= 2
        return result

    monkeypatch.setattr(projection, "iterate", counted)
    return counts


def test_rounds_go_on_as_long_as_they_pay(rounds, monkeypatch):
    white = random(300, 200)
    exact = subspace(white, 8, exact=True)
    assert not rounds
    for G_wn, start_nk in ((with_spectrum(300, 200, spectrum("halving")), None), (white, exact), (white * 0, None)):
        subspace(G_wn, 8, start_nk)
    assert rounds == [FEWEST] * 3, "steep, started near by, or nothing there"
    subspace(with_spectrum(300, 200, spectrum("1/sqrt(i)")), 8)
    subspace(white, 8)
    assert FEWEST < rounds[3] < 6 < rounds[4] < MOST
    monkeypatch.setattr(projection, "LEFT", 0.0)
    subspace(white, 8)
    assert rounds[5] == MOST, "there is an end to it"


@pytest.mark.parametrize("name", ["halving", "1/sqrt(i)"])
def test_a_start_that_is_invariant_and_not_the_leading_one_is_left(name):
    """A residual is none there, and yet the leading directions are others: random ones bring them up."""
    sigmas = spectrum(name)
    G_wn = with_spectrum(300, 200, sigmas)
    invariant = subspace(G_wn, 20, exact=True)[:, 8:16]
    assert share(G_wn, subspace(G_wn, 8, invariant), sigmas) > 0.99


def test_a_subspace_without_data_ends_and_takes_the_same_memory():
    """As `gorp plan` runs it."""
    peaks = []
    for mode in (torch.utils._python_dispatch._disable_current_modes(), FakeTensorMode()):
        with mode, LiveBytes(dict) as live:
            assert subspace(torch.ones(300, 200), 8).shape == (200, 8)
        peaks.append(live.peak)
    assert peaks[1] == pytest.approx(peaks[0], rel=0.02)


STEPS_APART = {"halving": 1e-4, "1/i": 0.06, "1/sqrt(i)": 0.2, "white noise": 0.6}


@pytest.mark.parametrize("name", STEPS_APART)
def test_the_steps_are_those_of_exact_subspaces(name):
    """Near them. Adam makes all directions of a subspace count alike: weak ones weigh more here than in energy."""
    first = with_spectrum(300, 200, spectrum(name)) if name in SPECTRA else 0.0
    weights = []
    for exact_svd in (False, True):
        W = torch.nn.Parameter(torch.zeros(300, 200))
        optimizer = GorpAdamW([("W", W)], rank=8, refresh_every=3, exact_svd=exact_svd)
        for step in range(12):
            noise = random(300, 200, seed=step)
            W.grad = noise if name not in SPECTRA else first + 0.3 * with_spectrum(300, 200, spectrum(name), 1 + step)
            optimizer.step()
        weights.append(W.detach())
    apart = (weights[0] - weights[1]).norm() / weights[1].norm()
    assert 0 < apart < STEPS_APART[name]


@pytest.mark.parametrize("known", [0, 2])
def test_zero_columns_of_a_start_do_not_stand_in_the_way(known):
    """A gradient of low rank leaves some; later ones have all directions to give."""
    start_nk = torch.cat([orthonormal(150, known, seed=7), torch.zeros(150, 8 - known)], dim=1)
    sigmas = spectrum("a gap")
    G_wn = with_spectrum(180, 150, sigmas)
    P_nk = subspace(G_wn, 8, start_nk)
    assert off_orthonormal(P_nk) < 1e-5
    assert share(G_wn, P_nk, sigmas) > 0.998  # 0.981 where zero columns take the place of random ones


@pytest.mark.parametrize("size", [(180, 150), (9, 6)])
@pytest.mark.parametrize("exact", [False, True])
def test_each_column_takes_the_sign_nearer_to_before(size, exact):
    G_wn = with_spectrum(*size, spectrum("halving")[:6])
    before = subspace(G_wn, 3, exact=exact)
    turned = before * torch.tensor([1.0, -1.0, -1.0])
    for start_nk in (before, turned):
        after = subspace(G_wn + 1e-3 * random(*size), 3, start_nk, exact)
        assert ((after * start_nk).sum(0) > 0.9).all()


def real_gradients(family, rows):
    """Gradients of the matrices that GORP trains, of three refreshes of a small model, by name."""
    ids = {key: getattr(family.tokenizer, key) for key in ("pad_token_id", "eos_token_id", "bos_token_id")}
    ids["vocab_size"] = len(family.tokenizer)
    torch.manual_seed(0)
    if family.name == "t5":
        sizes = dict(d_model=160, d_kv=72, num_heads=2, d_ff=192, num_layers=2, dropout_rate=0.0)
        model = T5ForConditionalGeneration(T5Config(**ids, **sizes, decoder_start_token_id=ids["pad_token_id"]))
    else:
        sizes = dict(hidden_size=160, head_dim=72, intermediate_size=192, num_hidden_layers=2, num_attention_heads=2)
        model = LlamaForCausalLM(LlamaConfig(**ids, **sizes))
    ends = (".q.weight", ".v.weight", "q_proj.weight", "v_proj.weight", "gate_proj.weight")
    watched = {name: p for name, p in model.named_parameters() if name.endswith(ends)}
    examples = tokenize(rows, family.tokenizer, 200, 50)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    plain, everything = Method(TrainSettings()), Adapted(model, {}, dict(model.named_parameters()))
    history = {name: [] for name in watched}
    for step in range(7):
        optimizer.zero_grad()
        backward(plain, everything, optimizer, examples[step % 2 :: 2], family.tokenizer, 8)
        if step % 3 == 0:
            for name, parameter in watched.items():
                history[name].append(parameter.grad.clone())
        optimizer.step()
    return history


def test_iteration_has_the_energy_of_the_exact_one_on_real_gradients(family, task_rows):
    history = real_gradients(family, [row for rows in task_rows.values() for row in rows])
    assert len(history) >= 6
    cold, warm, ranks = [], [], []
    for name, gradients in history.items():
        for mode in (0, 1):
            for k in (4, 8):
                P_nk = None
                for gradient in gradients:
                    G_wn = unfold(gradient, mode)
                    assert min(G_wn.shape) > SMALL, "else it is exact anyway"
                    exact = energy(G_wn, subspace(G_wn, k, exact=True))
                    cold.append((energy(G_wn, subspace(G_wn, k)) / exact, name))
                    P_nk = subspace(G_wn, k, P_nk)
                    warm.append((energy(G_wn, P_nk) / exact, name))
                    ranks.append(int(torch.linalg.matrix_rank(G_wn)))
    assert min(cold) > (0.99,)
    assert min(warm) > (0.99,)
    assert max(ranks) >= 48, "some have directions beyond those iterated"


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("true_rank", [0, 1, 3])
def test_directions_of_rounding_alone_are_zero_columns(true_rank, exact):
    """Adam would divide their noise up to steps of full size."""
    G_wn = random(180, true_rank) @ random(true_rank, 150, seed=1)
    for start_nk in (None, orthonormal(150, 8), torch.zeros(150, 8)):
        P_nk = subspace(G_wn, 8, start_nk, exact)
        assert P_nk.shape == (150, 8)
        assert P_nk.any(dim=0).tolist() == [True] * true_rank + [False] * (8 - true_rank)
        assert off_orthonormal(P_nk[:, :true_rank]) < 1e-5
        torch.testing.assert_close(G_wn @ P_nk @ P_nk.mT, G_wn, atol=2e-5, rtol=0)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("shape", [(1, 100), (100, 1), (1, 1)])
def test_gradients_of_one_row_or_one_column(shape, exact):
    G_wn = random(*shape)
    P_nk = subspace(G_wn, 8, exact=exact)
    assert P_nk.shape == (shape[1], 1), "k is capped"
    torch.testing.assert_close(G_wn @ P_nk @ P_nk.mT, G_wn)
    assert not subspace(torch.zeros(shape), 8, P_nk, exact).any()


@pytest.mark.parametrize("size", [1e37, 1e30, 1e-30, 1e-36])
@pytest.mark.parametrize("exact", [False, True])
def test_huge_and_tiny_gradients_have_the_same_subspace(size, exact):
    G_wn = with_spectrum(180, 150, spectrum("1/i"))
    for start_nk in (None, orthonormal(150, 8)):
        P_nk, usual = subspace(G_wn * size, 8, start_nk, exact), subspace(G_wn, 8, start_nk, exact)
        assert off_orthonormal(P_nk) < 1e-5
        torch.testing.assert_close(P_nk.abs(), usual.abs(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("shape", [(5, 3), (180, 150)])
def test_a_gradient_that_is_not_finite_is_refused(shape, bad):
    G_wn = random(*shape)
    G_wn[2, 1] = bad
    for exact in (False, True):
        with pytest.raises(ValueError, match="gradient is not finite"):
            subspace(G_wn, 2, exact=exact)


def test_entries_whose_sum_overflows_are_finite():
    assert is_finite(torch.full((4, 4), 3e38))
    assert not is_finite(torch.tensor([3e38, float("inf")]))
    assert not is_finite(torch.tensor([float("inf"), -float("inf")]))


@pytest.mark.parametrize("start", [False, True])
def test_it_is_deterministic_and_leaves_the_global_generator_alone(start):
    G_wn, start_nk = random(180, 150), orthonormal(150, 4) if start else None
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = subspace(G_wn, 4, start_nk)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(subspace(G_wn.clone(), 4, start_nk), first)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("shape", [(64, 40), (40, 64), (12, 8)])
def test_it_is_fp32_and_keeps_no_larger_storage_alive(shape, exact):
    for start_nk in (None, orthonormal(shape[1], 2)):
        P_nk = subspace(random(*shape).bfloat16(), 2, start_nk, exact)
        assert P_nk.dtype == torch.float32
        assert P_nk.untyped_storage().nbytes() == shape[1] * 2 * 4
