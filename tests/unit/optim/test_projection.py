"""Projections, their inverses and bases: exact identities, and the fewest directions by brute force."""

import pytest
import torch
from matrices import inside, off_orthonormal, orthonormal, random, with_spectrum

from gorp.optim.modes import PROJECTIONS, basis_mode
from gorp.optim.projection import add_lifted, down, extend, remove, subspace, turn, unfold, up

SHAPES = [(10, 6), (6, 10), (7, 7), (5, 8, 4), (3, 6, 4, 5)]
EVERY = pytest.mark.parametrize(("name", "shape"), [(name, shape) for name in PROJECTIONS for shape in SHAPES])


def subspaces_of(G, name, k):
    return {mode: subspace(unfold(G, mode), k) for mode in PROJECTIONS[name](G.shape)}


def reduced_shape(shape, subspaces):
    return [subspaces[mode].shape[1] if mode in subspaces else size for mode, size in enumerate(shape)]


@pytest.mark.parametrize(
    ("name", "shape", "reduced", "basis"),
    [
        ("std", (5, 3), (1,), 0),
        ("std", (3, 5), (0,), 1),
        ("std", (4, 4), (1,), 0),  # as written in the paper for out >= in
        ("std", (1, 6), (0,), 1),
        ("std", (4, 2, 3), (1,), 0),
        ("std", (3, 2, 2), (2,), 0),
        ("std", (2, 5, 2, 5), (2,), 1),
        ("reverse_std", (5, 3), (0,), 1),
        ("reverse_std", (3, 5), (1,), 0),
        ("reverse_std", (4, 4), (0,), 1),
        ("reverse_std", (4, 2, 3), (0,), 2),
        ("reverse_std", (2, 5, 2, 5), (1,), 3),
        ("left", (5, 3), (0,), 1),
        ("left", (3, 5), (0,), 1),
        ("left", (9, 4, 4), (0,), 1),
        ("right", (5, 3), (1,), 0),
        ("right", (3, 5), (1,), 0),
        ("right", (4, 2, 3, 9), (3,), 0),
        ("full", (5, 3), (0, 1), 0),
        ("full", (3, 5), (0, 1), 1),
        ("full", (4, 4), (0, 1), 0),
        ("full", (4, 2, 5), (0, 1, 2), 2),
        ("full", (4, 5, 2, 5), (0, 1, 2, 3), 1),
    ],
)
def test_the_modes_that_are_reduced_and_the_one_of_the_basis(name, shape, reduced, basis):
    assert PROJECTIONS[name](shape) == reduced
    assert basis_mode(shape, reduced) == basis


@pytest.mark.parametrize("shape", SHAPES)
def test_unfolding_makes_a_mode_the_columns(shape):
    G = random(*shape)
    for mode, size in enumerate(shape):
        G_wn = unfold(G, mode)
        assert G_wn.shape == (G.numel() // size, size)
        for column in range(size):
            assert torch.equal(G_wn[:, column], G.select(mode, column).flatten())
        assert len(shape) > 2 or G_wn.data_ptr() == G.data_ptr(), "no copy of a matrix"


def test_down_and_up_by_their_definitions():
    G, T = random(7, 5), random(4, 5, 3, seed=1)
    P, Q = orthonormal(7, 2, seed=2), orthonormal(5, 3, seed=3)
    for subspaces, expected in (({0: P}, P.mT @ G), ({1: Q}, G @ Q), ({0: P, 1: Q}, P.mT @ G @ Q)):
        torch.testing.assert_close(down(G, subspaces), expected)
    torch.testing.assert_close(up(G[:, :3], {1: Q}), G[:, :3] @ Q.mT)
    torch.testing.assert_close(up(G[:2], {0: P}), P @ G[:2])
    factors = {mode: orthonormal(size, 2, seed=size) for mode, size in enumerate(T.shape)}
    torch.testing.assert_close(down(T, factors), torch.einsum("abc,ai,bj,ck->ijk", T, *factors.values()))
    torch.testing.assert_close(down(T, {1: factors[1]}), torch.einsum("abc,bj->ajc", T, factors[1]))


@EVERY
def test_down_then_up_is_the_identity_on_the_subspace(name, shape):
    subspaces = subspaces_of(random(*shape), name, 2)
    R = random(*reduced_shape(shape, subspaces), seed=1)
    G = up(R, subspaces)
    assert G.shape == shape
    torch.testing.assert_close(down(G, subspaces), R, atol=3e-6, rtol=0)
    torch.testing.assert_close(up(down(G, subspaces), subspaces), G, atol=3e-6, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_full_reproduces_what_has_its_multilinear_rank(shape):
    """Of a matrix that is its rank, of a tensor the size of its Tucker core: HOSVD is exact there, and not below."""
    k = 2
    factors = {mode: orthonormal(size, k, seed=mode) for mode, size in enumerate(shape)}
    G = up(random(*[k] * len(shape), seed=9), factors)
    exact, less = (subspaces_of(G, "full", rank) for rank in (k, k - 1))
    torch.testing.assert_close(up(down(G, exact), exact), G, atol=3e-6, rtol=0)
    assert (up(down(G, less), less) - G).norm() > 0.1 * G.norm()


@EVERY
def test_add_lifted_is_the_weight_and_the_lifted_step(name, shape):
    subspaces = subspaces_of(random(*shape), name, 2)
    W, R = random(*shape, seed=1), random(*reduced_shape(shape, subspaces), seed=2)
    expected = W - 0.3 * up(R, subspaces)
    add_lifted(W, R, subspaces, -0.3)
    torch.testing.assert_close(W, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_remove_leaves_nothing_inside_the_basis_and_is_idempotent(mode):
    R = random(9, 8, 10)
    S_wm = orthonormal(R.shape[mode], 5, seed=1)
    once = remove(R, S_wm, mode)
    assert inside(S_wm, once, mode) < 1e-6
    torch.testing.assert_close(remove(once, S_wm, mode), once, atol=1e-6, rtol=0)
    taken = R - once  # by the formula, unfolded
    torch.testing.assert_close(unfold(taken, mode), unfold(R, mode) @ S_wm @ S_wm.mT, atol=1e-6, rtol=0)
    assert torch.equal(remove(R, torch.zeros(R.shape[mode], 0), mode), R)


@pytest.mark.parametrize("mode", [0, 1])
def test_turning_into_the_same_subspace_changes_nothing(mode):
    P_nk, M = orthonormal(9, 3), random(3, 3, seed=1)
    turned = turn(M, M.square(), P_nk, P_nk, mode)
    torch.testing.assert_close(turned, (M, M.square()), atol=2e-6, rtol=0)


@pytest.mark.parametrize("mode", [0, 1])
def test_turning_by_a_signed_permutation_permutes_the_moments(mode):
    P_nk, M, V = orthonormal(9, 3), random(3, 3, seed=1), random(3, 3, seed=2).square()
    order, signs = torch.tensor([2, 0, 1]), torch.tensor([1.0, -1.0, -1.0])
    M_turned, V_turned = turn(M, V, P_nk, P_nk[:, order] * signs, mode)
    shape = (-1, 1) if mode == 0 else (1, -1)
    torch.testing.assert_close(M_turned, M.index_select(mode, order) * signs.view(shape), atol=2e-6, rtol=0)
    torch.testing.assert_close(V_turned, V.index_select(mode, order), atol=2e-6, rtol=0)


def test_turning_keeps_what_the_new_subspace_holds_and_drops_the_rest():
    old_nk, M, V = orthonormal(9, 3), random(5, 3, seed=1), random(5, 3, seed=2).square()
    wider = torch.linalg.qr(torch.cat([old_nk, random(9, 1, seed=3)], 1)).Q @ orthonormal(4, 4, seed=4)
    M_turned, V_turned = turn(M, V, old_nk, wider, 1)
    torch.testing.assert_close(up(M_turned, {1: wider}), up(M, {1: old_nk}), atol=2e-6, rtol=0)
    torch.testing.assert_close(V_turned.sum(1), V.sum(1))  # the variance of a row, spread over other axes
    assert (V_turned >= 0).all()
    outside = torch.linalg.qr(torch.cat([old_nk, random(9, 3, seed=5)], 1)).Q[:, 3:]
    for moment in turn(M, V, old_nk, outside, 1):
        assert moment.abs().max() < 1e-6


def unexplained(M_wk, S_wm):
    """The part of M's energy outside S, in float64."""
    M_wk, S_wm = M_wk.double(), S_wm.double()
    return ((M_wk - S_wm @ (S_wm.mT @ M_wk)).square().sum() / M_wk.square().sum()).item()


def test_extend_takes_the_fewest_directions_by_hand():
    M_wk = torch.zeros(5, 4)
    M_wk[1, 0], M_wk[3, 1], M_wk[0, 2], M_wk[2, 3] = 3.0, 2.0, 1.0, 1.0  # energies 9, 4, 1, 1 of 15
    for energy, rows in ((0.5, [1]), (0.6, [1]), (0.61, [1, 3]), (0.86, [1, 3])):
        S_wm = extend(None, M_wk, energy)
        assert S_wm.abs().sum(1).nonzero().flatten().tolist() == rows, energy
    assert extend(None, M_wk, 0.9).shape == (5, 3)
    assert extend(None, M_wk, 0.95).shape == (5, 4)


@pytest.mark.parametrize("energy", [0.3, 0.9, 0.99])
def test_extend_over_fifteen_tasks_is_orthonormal_and_takes_the_fewest(energy):
    w, k, S_wm = 48, 6, torch.zeros(48, 0)
    grown = []
    for task in range(15):
        M_wk = with_spectrum(w, k, [2.0**-i for i in range(k)], seed=10 * task)
        before = S_wm
        S_wm = extend(before, M_wk, energy)
        m = before.shape[1]
        assert m <= S_wm.shape[1] <= w
        assert off_orthonormal(S_wm) < 1e-5
        assert torch.equal(S_wm[:, :m], before), "earlier directions stay as they are"
        added = S_wm.shape[1] - m
        grown.append(added)
        if S_wm.shape[1] < w:
            assert unexplained(M_wk, S_wm) <= 1 - energy + 1e-5
        if added:  # brute force: the best choice of one direction less does not reach the energy
            rest = torch.linalg.svdvals(remove(M_wk.double(), before.double())).square()
            assert rest[added - 1 :].sum() / M_wk.double().square().sum() > 1 - energy - 1e-6
    assert grown[0] == {0.3: 1, 0.9: 2, 0.99: 4}[energy]


def test_extend_is_capped_and_keeps_the_earlier_directions():
    S_wm, M_wk = orthonormal(12, 4), with_spectrum(12, 6, [6, 5, 4, 3, 2, 1], seed=5)
    free = extend(S_wm, M_wk, 1.0)
    assert free.shape == (12, 10)
    for most, size in ((0, 10), (None, 10), (7, 7), (5, 5), (4, 4), (2, 4)):
        capped = extend(S_wm, M_wk, 1.0, most)
        assert torch.equal(capped[:, :4], S_wm)
        torch.testing.assert_close(capped, free[:, :size])  # the leading ones of those it would have taken
    assert torch.equal(extend(S_wm, M_wk, 0.5, 11), extend(S_wm, M_wk, 0.5)), "no more than the energy asks for"


def test_extend_adds_nothing_where_the_basis_explains_enough():
    S_wm = orthonormal(12, 4)
    within = S_wm @ random(4, 3, seed=1)
    assert torch.equal(extend(S_wm, within, 0.9), S_wm)
    outside = remove(random(12, 3, seed=2), S_wm)
    mostly_inside = within / within.norm() * 3 + outside / outside.norm()  # 90 % of the energy, to rounding
    assert torch.equal(extend(S_wm, mostly_inside, 0.89), S_wm)
    assert extend(S_wm, mostly_inside, 0.91).shape[1] > 4
    for energy in (0.5, 1.0):
        assert torch.equal(extend(S_wm, torch.zeros(12, 3), energy), S_wm)
        assert extend(None, torch.zeros(12, 3), energy).shape == (12, 0)


def test_extend_never_goes_beyond_the_whole_space():
    S_wm = None
    for task in range(5):
        S_wm = extend(S_wm, random(6, 4, seed=task), 1.0)
        assert S_wm.shape[1] == min(6, 4 * (task + 1))
        assert off_orthonormal(S_wm) < 1e-5


@pytest.mark.parametrize(("m", "true_rank"), [(0, 1), (0, 3), (5, 1), (5, 2), (9, 2)])
def test_full_energy_of_a_low_rank_moment_stays_orthonormal(m, true_rank):
    """Rounding may ask for directions that the moment does not have; what comes must still be a basis."""
    for seed in range(20):
        S_wm = orthonormal(12, m, seed) if m else None
        M_wk = random(12, true_rank, seed=seed + 1) @ random(true_rank, 6, seed=seed + 2)
        out = extend(S_wm, M_wk, 1.0)
        assert out.shape[1] >= min(12, m + true_rank)
        assert off_orthonormal(out) < 1e-4
        assert unexplained(M_wk, out) < 1e-6


@pytest.mark.parametrize("size", [1e2, 1e4])
def test_extend_stays_orthonormal_where_little_is_new(size):
    S_wm = orthonormal(40, 20)
    M_wk = size * S_wm @ random(20, 6, seed=1) + random(40, 6, seed=2)
    assert off_orthonormal(extend(S_wm, M_wk, 1.0)) < 1e-5


def test_extend_accepts_half_precision_and_keeps_no_larger_storage_alive():
    out = extend(None, with_spectrum(64, 3, [4.0, 1e-3, 1e-3]).bfloat16(), 0.9)
    assert out.dtype == torch.float32
    assert out.shape == (64, 1)
    assert out.untyped_storage().nbytes() == 64 * 4
    out = extend(orthonormal(64, 2), random(64, 40), 0.05)
    assert out.untyped_storage().nbytes() == out.numel() * 4


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_extend_refuses_a_moment_that_is_not_finite(bad):
    M_wk = random(5, 3)
    M_wk[2, 1] = bad
    for S_wm in (None, orthonormal(5, 2)):
        with pytest.raises(ValueError, match="first moment is not finite"):
            extend(S_wm, M_wk, 0.9)
