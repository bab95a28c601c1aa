"""The subspace mathematics: exact identities, and the fewest directions by brute force."""

import pytest
import torch

from gorp.projection import down, extend, remove, subspace, up, whole_first


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def orthonormal(w, m, seed=0):
    return torch.linalg.qr(random(w, m, seed=seed)).Q


def with_spectrum(w, sigmas, seed=0):
    """A matrix [w, len(sigmas)] of known singular values."""
    k = len(sigmas)
    return orthonormal(w, k, seed) @ torch.diag(torch.tensor(sigmas)) @ orthonormal(k, k, seed + 1).mT


def off_orthonormal(S_wm):
    return (S_wm.mT @ S_wm - torch.eye(S_wm.shape[1])).abs().max().item() if S_wm.shape[1] else 0.0


def unexplained(M_wk, S_wm):
    """The part of M's energy outside S, in float64."""
    M_wk, S_wm = M_wk.double(), S_wm.double()
    return ((M_wk - S_wm @ (S_wm.mT @ M_wk)).square().sum() / M_wk.square().sum()).item()


@pytest.mark.parametrize(
    ("shape", "expected"), [((5, 3), (5, 3)), ((3, 5), (5, 3)), ((4, 4), (4, 4)), ((1, 6), (6, 1))]
)
def test_whole_first_puts_the_larger_side_first(shape, expected):
    G_oi = random(*shape)
    G_wn = whole_first(G_oi)
    assert G_wn.shape == expected
    assert G_wn.data_ptr() == G_oi.data_ptr(), "a view, so that an update through it reaches the weight"
    assert torch.equal(G_wn, G_oi if shape[0] >= shape[1] else G_oi.T)


@pytest.mark.parametrize("k", [1, 3, 6])
def test_down_then_up_is_the_identity_on_the_subspace(k):
    P_nk = subspace(random(10, 6), k)
    G_wn = random(10, k, seed=1) @ P_nk.mT
    assert down(G_wn, P_nk).shape == (10, k)
    torch.testing.assert_close(up(down(G_wn, P_nk), P_nk), G_wn, atol=3e-6, rtol=0)
    R_wk = random(10, k, seed=2)
    torch.testing.assert_close(down(up(R_wk, P_nk), P_nk), R_wk, atol=3e-6, rtol=0)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_subspace_has_orthonormal_columns_and_the_leading_energy(k):
    sigmas = [8.0, 4.0, 2.0, 1.0]
    G_wn = with_spectrum(9, sigmas)
    P_nk = subspace(G_wn, k)
    assert P_nk.shape == (4, k)
    assert off_orthonormal(P_nk) < 1e-6
    assert down(G_wn, P_nk).square().sum().item() == pytest.approx(sum(s * s for s in sigmas[:k]), rel=1e-5)


def test_subspace_is_capped_and_fp32():
    assert subspace(random(5, 3), 8).shape == (3, 3)
    assert subspace(random(5, 3).bfloat16(), 2).dtype == torch.float32


def test_subspace_keeps_no_larger_storage_alive():
    P_nk = subspace(random(64, 40), 2)
    assert P_nk.is_contiguous()
    assert P_nk.untyped_storage().nbytes() == 40 * 2 * 4


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_non_finite_input_is_refused(bad):
    G_wn = random(5, 3)
    G_wn[2, 1] = bad
    with pytest.raises(ValueError, match="gradient is not finite"):
        subspace(G_wn, 2)
    with pytest.raises(ValueError, match="first moment is not finite"):
        extend(None, G_wn, 0.9)
    with pytest.raises(ValueError, match="first moment is not finite"):
        extend(orthonormal(5, 2), G_wn, 0.9)


def test_gradients_of_one_row_and_zero_gradients():
    row = whole_first(random(1, 6))
    P_nk = subspace(row, 4)
    assert P_nk.abs().item() == 1.0
    torch.testing.assert_close(up(down(row, P_nk), P_nk), row)
    assert extend(None, row, 0.9).shape == (6, 1)

    P_nk = subspace(torch.zeros(6, 4), 3)
    assert P_nk.shape == (4, 3)
    assert not P_nk.any()  # no direction at all, rather than one of rounding
    assert not up(down(torch.zeros(6, 4), P_nk), P_nk).any()


def test_remove_leaves_nothing_inside_the_basis_and_is_idempotent():
    S_wm, R_wk = orthonormal(50, 20), random(50, 8, seed=1)
    once = remove(R_wk, S_wm)
    assert (S_wm.mT @ once).abs().max() < 1e-6
    torch.testing.assert_close(remove(once, S_wm), once, atol=1e-6, rtol=0)
    torch.testing.assert_close(R_wk - once, S_wm @ (S_wm.mT @ R_wk), atol=1e-6, rtol=0)
    assert torch.equal(remove(R_wk, torch.zeros(50, 0)), R_wk)


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
    w, k, S_wm = 48, 6, None
    grown = []
    for task in range(15):
        sigmas = [float(2.0**-i) for i in range(k)]
        M_wk = with_spectrum(w, sigmas, seed=10 * task)
        before = torch.zeros(w, 0) if S_wm is None else S_wm
        S_wm = extend(S_wm, M_wk, energy)
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


def test_extend_adds_nothing_where_the_basis_explains_enough():
    S_wm = orthonormal(12, 4)
    inside = S_wm @ random(4, 3, seed=1)
    assert torch.equal(extend(S_wm, inside, 0.9), S_wm)
    outside = remove(random(12, 3, seed=2), S_wm)
    mostly_inside = inside / inside.norm() * 3 + outside / outside.norm()  # 90 % of the energy, to rounding
    assert torch.equal(extend(S_wm, mostly_inside, 0.89), S_wm)
    assert extend(S_wm, mostly_inside, 0.91).shape[1] > 4


def test_extend_adds_nothing_for_a_zero_moment():
    S_wm = orthonormal(6, 2)
    for energy in (0.5, 1.0):
        assert torch.equal(extend(S_wm, torch.zeros(6, 3), energy), S_wm)
        assert extend(None, torch.zeros(6, 3), energy).shape == (6, 0)


def test_extend_never_goes_beyond_the_whole_space():
    S_wm = None
    for task in range(5):
        S_wm = extend(S_wm, random(6, 4, seed=task), 1.0)
        assert S_wm.shape[1] == min(6, 4 * (task + 1))
        assert off_orthonormal(S_wm) < 1e-5


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("m", "true_rank"), [(0, 1), (0, 3), (5, 1), (5, 2), (9, 2)])
def test_full_energy_of_a_low_rank_moment_stays_orthonormal(m, true_rank, seed):
    """Rounding may ask for directions that the moment does not have; what comes must still be a basis."""
    S_wm = orthonormal(12, m, seed) if m else None
    M_wk = random(12, true_rank, seed=seed + 1) @ random(true_rank, 6, seed=seed + 2)
    out = extend(S_wm, M_wk, 1.0)
    assert out.shape[1] >= min(12, m + true_rank)
    assert off_orthonormal(out) < 1e-4
    assert unexplained(M_wk, out) < 1e-6


@pytest.mark.parametrize("inside", [1e2, 1e4])
def test_extend_stays_orthonormal_where_little_is_new(inside):
    S_wm = orthonormal(40, 20)
    M_wk = inside * S_wm @ random(20, 6, seed=1) + random(40, 6, seed=2)
    out = extend(S_wm, M_wk, 1.0)
    assert off_orthonormal(out) < 1e-5


def test_extend_accepts_half_precision_and_keeps_no_larger_storage_alive():
    out = extend(None, with_spectrum(64, [4.0, 1e-3, 1e-3]).bfloat16(), 0.9)
    assert out.dtype == torch.float32
    assert out.shape == (64, 1)
    assert out.untyped_storage().nbytes() == 64 * 4
    out = extend(orthonormal(64, 2), random(64, 40), 0.05)
    assert out.untyped_storage().nbytes() == out.numel() * 4
