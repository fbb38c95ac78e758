"""The multiset model is a normalised distribution of unordered sets, and it samples from what it scores."""

from collections import Counter
from itertools import combinations_with_replacement, pairwise

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from cloudchamber.models.autoregressive import MultisetModel, Sequences
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import RowRng

CHARGES = torch.tensor([[1, 0], [-1, 2], [0, -1]])
TOTAL = torch.tensor([1, 0])
LONGEST = 14


def given(context: Tensor) -> Batch:
    return Batch(torch.zeros(len(context), 0), torch.ones(len(context)), context=context)


def a_model(kinds: int, end_bias: float) -> MultisetModel:
    """Random weights everywhere; the end mark is made likely, so that long sets are rare."""
    model = MultisetModel(CHARGES[:kinds], TOTAL, context=2, width=16, depth=1, longest=LONGEST).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.2 * torch.randn_like(parameter))
        model.net.outputs.bias[model.end] += end_bias
    return model


def rows(multisets: list[tuple[int, ...]], context: Tensor) -> Batch:
    """Sorted multisets as a padded batch with one context."""
    width = max(1, *map(len, multisets))
    x = torch.tensor([[*kinds, *[0] * (width - len(kinds))] for kinds in multisets])
    mask = torch.arange(width) < torch.tensor([len(kinds) for kinds in multisets])[:, None]
    return Batch(x[..., None], torch.ones(len(x)), context=context.expand(len(x), -1), mask=mask)


def all_multisets(kinds: int, longest: int) -> list[tuple[int, ...]]:
    return [chosen for n in range(longest + 1) for chosen in combinations_with_replacement(range(kinds), n)]


def members(sampled: Sequences) -> list[tuple[int, ...]]:
    return [tuple(kinds[mask].tolist()) for kinds, mask in zip(sampled.kinds, sampled.mask, strict=True)]


@pytest.mark.parametrize("context", [[0.0, 0.0], [1.0, -2.0]])
@torch.no_grad()
def test_probabilities_of_all_multisets_sum_to_one(context: list[float]) -> None:
    model = a_model(2, end_bias=2.0)
    p = model.log_prob(rows(all_multisets(2, 24), torch.tensor([context]))).exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)


@torch.no_grad()
def test_samples_have_the_frequencies_that_are_scored() -> None:
    model, context, n = a_model(3, end_bias=0.5), torch.tensor([[0.5, -1.0]]), 8_000
    sampled = model.sample(given(context.expand(n, -1)), RowRng((1,), n))
    found = Counter(members(sampled))
    multisets = all_multisets(3, 6)
    expected = n * model.log_prob(rows(multisets, context)).exp()
    frequent = [(found[kinds], float(e)) for kinds, e in zip(multisets, expected, strict=True) if e > 20]
    assert len(frequent) > 15
    observed = [o for o, _ in frequent] + [n - sum(o for o, _ in frequent)]
    predicted = [e for _, e in frequent] + [n - sum(e for _, e in frequent)]
    assert stats.chisquare(observed, predicted).pvalue > 1e-3


@torch.no_grad()
def test_samples_are_sorted_and_closed() -> None:
    model, n = a_model(3, end_bias=-1.0), 500
    sampled = model.sample(given(torch.randn(n, 2)), RowRng((2,), n))
    for kinds, whole in zip(members(sampled), sampled.whole.tolist(), strict=True):
        assert all(a <= b for a, b in pairwise(kinds))
        assert len(kinds) == LONGEST or (whole and len(kinds) < LONGEST)
    assert not sampled.kinds[~sampled.mask].any()
    assert 0 < sampled.whole.float().mean() < 1
    assert (sampled.mask.long().diff(dim=1) <= 0).all()  # padding stands at the end


def test_kinds_out_of_order_are_impossible() -> None:
    model = a_model(3, end_bias=0.0)
    assert model.log_prob(rows([(1, 0)], torch.zeros(1, 2))).item() == float("-inf")
    assert model.log_prob(rows([(0, 1)], torch.zeros(1, 2))).isfinite().all()


class _Still:
    """A random stream of zeros, the lowest number that a stream can draw."""

    def normal(self, *shape: int) -> Tensor:
        return torch.zeros(4, *shape)

    uniform = normal


@torch.no_grad()
def test_the_lowest_draw_is_never_a_forbidden_kind() -> None:
    model = a_model(3, end_bias=-1.0)
    with torch.no_grad():
        model.net.outputs.bias[0] = -1e9  # kind 0 has probability zero from the start
    sampled = model.sample(given(torch.zeros(4, 2)), _Still())
    assert (sampled.kinds[sampled.mask] > 0).all()


@torch.no_grad()
def test_padding_never_changes_a_score() -> None:
    model, context = a_model(3, end_bias=0.0), torch.randn(1, 2)
    alone = model.log_prob(rows([(0, 2)], context))
    batch = rows([(0, 2), (0, 1, 1, 1, 2, 2)], context)
    batch.x[0, 2:] = 1
    torch.testing.assert_close(model.log_prob(batch)[:1], alone)
    assert torch.equal(model.losses(batch, RowRng((1,), 2))["nll"], -model.log_prob(batch))


@torch.no_grad()
def test_the_network_is_told_what_is_left_to_carry() -> None:
    """Levels are total minus carried, limited to +-5: another total is another distribution, up to the limit."""
    model = a_model(3, end_bias=0.0)
    batch = rows([(0, 0, 1)], torch.zeros(1, 2))
    before = model.log_prob(batch)
    told: list[Tensor] = []

    def listen(module: nn.Module, given: tuple[Tensor], out: Tensor) -> None:
        told.append(given[0].view(1, 4, 2, 11).argmax(-1) - 5)

    model.net.levels.register_forward_hook(listen)
    model.log_prob(batch)
    assert told[0][0].tolist() == [[1, 0], [0, 0], [-1, 0], [0, -2]]
    model.total[0] = 7
    assert model.log_prob(batch) != before
    assert told[1][0, :, 0].tolist() == [5, 5, 5, 5]


def test_training_learns_a_distribution() -> None:
    """Two of kind 0, or one of kind 1 and one of kind 2: frequencies 0.3 and 0.7, then nothing else."""
    model = MultisetModel(CHARGES, TOTAL, context=2, width=16, depth=1, longest=LONGEST)
    batch = rows([(0, 0)] * 3 + [(1, 2)] * 7, torch.zeros(1, 2))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        model.losses(batch, RowRng((1,), 10))["nll"].mean().backward()
        optimizer.step()
    p = model.eval().log_prob(rows([(0, 0), (1, 2)], torch.zeros(1, 2))).exp().detach()
    torch.testing.assert_close(p, torch.tensor([0.3, 0.7]), rtol=0, atol=0.02)
    found = Counter(members(model.sample(given(torch.zeros(2_000, 2)), RowRng((3,), 2_000))))
    assert found[0, 0] / 2_000 == pytest.approx(0.3, abs=0.05)
