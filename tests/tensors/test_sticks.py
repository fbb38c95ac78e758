"""Shares of a whole: scores and their inverse, bounds, what is left."""

import pytest
import torch

from cloudchamber.tensors import sticks


@pytest.fixture
def shares() -> torch.Tensor:
    """Falling shares of three groups in each of 50 rows: 4, 1 and 3."""
    draws = torch.rand(50, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    parts = [part.sort(dim=1, descending=True).values / part.sum(1, keepdim=True) for part in draws.split([4, 1, 3], 1)]
    return torch.cat(parts, dim=1)


@pytest.fixture
def grouped() -> sticks.Groups:
    group = torch.tensor([0, 0, 0, 0, 1, 3, 3, 3]).expand(50, -1)
    return sticks.groups(group, torch.ones_like(group, dtype=torch.bool), 4)


def test_groups_know_their_elements(grouped: sticks.Groups) -> None:
    assert grouped.sizes[0].tolist() == [4, 1, 0, 3]
    assert grouped.starts[0].tolist() == [0, 4, 5, 5]
    assert grouped.rank[0].tolist() == [0, 1, 2, 3, 0, 0, 1, 2]
    assert grouped.size[0].tolist() == [4, 4, 4, 4, 1, 3, 3, 3]


def test_padding_belongs_to_no_group() -> None:
    mask = torch.tensor([[True, True, False, False]])
    assert sticks.groups(torch.tensor([[0, 2, 0, 0]]), mask, 3).sizes.tolist() == [[1, 0, 1]]


def test_what_is_left_is_the_sum_of_the_rest(shares: torch.Tensor, grouped: sticks.Groups) -> None:
    left = sticks.left(shares, grouped)
    torch.testing.assert_close(left[:, 4], torch.ones(50, dtype=torch.float64))
    torch.testing.assert_close(left[:, 1], shares[:, 1:4].sum(1))
    torch.testing.assert_close(left[:, 7], shares[:, 7])


def test_falling_shares_lie_between_their_bounds(shares: torch.Tensor, grouped: sticks.Groups) -> None:
    known = sticks.falling_known(shares, grouped)
    assert bool((shares >= known.low - 1e-12).all())
    assert bool((shares <= known.high + 1e-12).all())
    last = torch.tensor([3, 4, 7])
    torch.testing.assert_close(known.low[:, last], shares[:, last])  # no choice is left


def test_scores_are_inverted(shares: torch.Tensor, grouped: sticks.Groups) -> None:
    known = sticks.falling_known(shares, grouped)
    torch.testing.assert_close(sticks.share(sticks.score(shares, known), known), shares, rtol=1e-6, atol=1e-9)


def test_whatever_is_broken_off_falls_and_sums_to_one() -> None:
    """Random scores, share by share."""
    generator = torch.Generator().manual_seed(2)
    left, before = torch.ones(1000, dtype=torch.float64), torch.full((1000,), 2.0, dtype=torch.float64)
    made = []
    for number in range(6, 0, -1):
        known = sticks.falling(left, before, torch.full((1000,), number))
        one = sticks.share(4 * torch.randn(1000, generator=generator), known) if number > 1 else left
        left, before = left - one, one
        made.append(one)
    broken = torch.stack(made, dim=1)
    torch.testing.assert_close(broken.sum(1), torch.ones(1000, dtype=torch.float64))
    assert bool((broken > 0).all())
    assert bool((broken.diff(dim=1) <= 1e-12).all())


def test_weighted_scores_are_inverted_and_vanish_for_shares_like_weights(shares: torch.Tensor) -> None:
    whole = shares[:, :4]
    weights = torch.tensor([4.0, 3.0, 2.0, 1.0], dtype=torch.float64).expand(50, -1)
    amount = torch.tensor([5.0, 0.0, 0.0, 0.0], dtype=torch.float64).expand(50, -1)
    known = sticks.weighted(whole, weights, amount)
    score = sticks.weighted_score(whole, known)
    torch.testing.assert_close(sticks.weighted_share(score, known)[:, :3], whole[:, :3], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(score[:, 0], (5 * whole[:, 0] / 4).log())
    alike = weights / weights.sum(1, keepdim=True)
    zero = sticks.weighted_score(alike, sticks.weighted(alike, weights, torch.zeros_like(amount)))
    torch.testing.assert_close(zero, torch.zeros_like(zero), atol=1e-6, rtol=0)


def test_an_amount_of_its_own_leaves_something_for_the_others() -> None:
    one, left = torch.ones(1, dtype=torch.float64), torch.tensor([0.5], dtype=torch.float64)
    known = sticks.Weighted(left, one, 2 * one, 3 * one, 10 * one)
    assert float(sticks.weighted_share(torch.tensor([0.0]), known)) == pytest.approx(0.1)
    assert 0.499 < float(sticks.weighted_share(torch.tensor([9.0]), known)) < 0.5


def test_kinds_of_scores_fit_their_table() -> None:
    size, rank = torch.meshgrid(torch.arange(1, 200), torch.arange(200), indexing="ij")
    inside = rank < size
    kinds = sticks.share_row(rank, size)[inside]
    assert int(kinds.min()) >= 0
    assert int(kinds.max()) < sticks.ROWS
