"""Sets are sets, padding is never seen, sequences are causal, and a cache changes nothing."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from cloudchamber.nets.transformer import SequenceTransformer, SetTransformer
from cloudchamber.tensors.batch import Batch

Wake = Callable[[nn.Module], nn.Module]
LENGTHS = torch.tensor([7, 4, 1])
B, N, F = 3, 7, 3


def a_batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    mask = torch.arange(N) < LENGTHS[:, None]
    return Batch(
        torch.randn(B, N, F, generator=generator).double() * mask[..., None], torch.ones(B),
        context=torch.randn(B, 4, generator=generator).double(), mask=mask,
        tokens=torch.randint(0, 5, (B, N), generator=generator) * mask,
        token_context=torch.randn(B, N, 1, generator=generator).double() * mask[..., None],
    )  # fmt: skip


class Distances(nn.Module):
    """Describes pairs by how far apart their values are, and by their kinds."""

    size = 2

    def forward(self, x: Tensor, given: Batch) -> Tensor:
        assert given.tokens is not None
        apart = (x[:, :, None] - x[:, None]).square().sum(-1)
        kinds = given.tokens[:, :, None] * given.tokens[:, None]
        return torch.stack([torch.log1p(apart), kinds.to(x.dtype)], dim=-1)


@pytest.fixture(params=["plain", "pairs", "edges"])
def net(awake: Wake, request: pytest.FixtureRequest) -> nn.Module:
    pairs, neighbours = Distances() if request.param == "pairs" else None, 2 if request.param == "edges" else 0
    return awake(
        SetTransformer(
            F, tokens=5, context=4, token_context=1, width=16, depth=2, heads=4, pairs=pairs, neighbours=neighbours
        )
    )


T = torch.tensor([0.1, 0.5, 0.9]).double()


def test_a_fresh_network_predicts_zero() -> None:
    batch = a_batch()
    fresh = SetTransformer(F, tokens=5, context=4, token_context=1, width=16, depth=2).double()
    assert not fresh(batch.x, T, batch).any()


def test_permuting_elements_permutes_the_output(net: nn.Module) -> None:
    batch = a_batch()
    order = torch.cat([torch.randperm(4), torch.arange(4, N)])
    assert batch.tokens is not None
    assert batch.token_context is not None
    row = batch.select(torch.tensor([1]))
    moved = replace(row, x=row.x[:, order], tokens=row.tokens[:, order], token_context=row.token_context[:, order])
    torch.testing.assert_close(net(moved.x, T[1:2], moved), net(row.x, T[1:2], row)[:, order])


def test_what_stands_in_padding_changes_nothing(net: nn.Module) -> None:
    batch = a_batch()
    hole = ~batch.mask
    spoilt = replace(
        batch, x=batch.x + 1e3 * torch.randn(B, N, F) * hole[..., None], tokens=torch.where(hole, 4, batch.tokens),
        token_context=batch.token_context - 50.0 * hole[..., None],
    )  # fmt: skip
    out = net(spoilt.x, T, spoilt)
    assert torch.equal(out, net(batch.x, T, batch))
    assert not out[hole].any()
    assert out[batch.mask].all()


def test_rows_and_padded_length_do_not_matter(net: nn.Module) -> None:
    batch = a_batch()
    out = net(batch.x, T, batch)
    for row in range(B):
        alone = batch.select(torch.tensor([row])).trim()
        torch.testing.assert_close(net(alone.x, T[row : row + 1], alone)[0], out[row, : LENGTHS[row]])


def test_every_condition_matters(net: nn.Module) -> None:
    batch = a_batch()
    out = net(batch.x, T, batch)
    assert batch.context is not None
    assert batch.tokens is not None
    assert batch.token_context is not None
    others = [
        replace(batch, context=batch.context + 0.1),
        replace(batch, tokens=4 - batch.tokens),
        replace(batch, token_context=batch.token_context + 0.1),
    ]
    for changed in (net(batch.x, T + 0.05, batch), *(net(batch.x, T, given) for given in others)):
        assert ((changed - out).abs()[batch.mask] > 1e-9).any()


STEPS = 6


@pytest.fixture
def causal(awake: Wake) -> SequenceTransformer:
    net = awake(SequenceTransformer(5, 5, (3, 4), context=2, width=16, depth=2, heads=4, longest=4))
    assert isinstance(net, SequenceTransformer)
    return net


def a_sequence() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    levels = torch.stack([torch.randint(0, size, (B, STEPS), generator=generator) for size in (3, 4)], dim=-1)
    return (
        torch.randint(0, 5, (B, STEPS), generator=generator), levels,
        torch.randn(B, 2, generator=generator).double(),
    )  # fmt: skip


def test_steps_with_a_cache_equal_the_whole_sequence(causal: SequenceTransformer) -> None:
    """Also beyond the last step with a position of its own."""
    tokens, levels, context = a_sequence()
    whole = causal(tokens, levels, context)
    cache = causal.begin(context)
    for step in range(STEPS):
        assert cache.steps == step
        logits, cache = causal.step(tokens[:, step], levels[:, step], cache)
        torch.testing.assert_close(logits, whole[:, step])


@pytest.mark.parametrize("after", [0, 2])
def test_a_part_of_a_cache_goes_on_as_those_sequences(causal: SequenceTransformer, after: int) -> None:
    tokens, levels, context = a_sequence()
    chosen, cache = torch.tensor([2, 0]), causal.begin(context)
    for step in range(after):
        cache = causal.step(tokens[:, step], levels[:, step], cache)[1]
    logits = causal.step(tokens[chosen, after], levels[chosen, after], cache.select(chosen))[0]
    torch.testing.assert_close(logits, causal(tokens, levels, context)[chosen, after])


@pytest.mark.parametrize("step", range(STEPS))
def test_a_step_sees_those_before_it_and_no_other(causal: SequenceTransformer, step: int) -> None:
    tokens, levels, context = a_sequence()
    whole = causal(tokens, levels, context)
    changed = tokens.clone()
    changed[:, step] = (changed[:, step] + 1) % 5
    difference = (causal(changed, levels, context) - whole).abs().amax(-1)
    assert (difference[:, :step] == 0).all()
    assert (difference[:, step:] > 0).all()
    raised = levels.clone()
    raised[:, step] = (raised[:, step] + 1) % 3
    difference = (causal(tokens, raised, context) - whole).abs().amax(-1)
    assert (difference[:, :step] == 0).all()
    assert (difference[:, step] > 0).all()


def test_a_second_time_has_no_effect_at_first(net: SetTransformer) -> None:
    sizes = {"tokens": 5, "context": 4, "token_context": 1, "width": 16, "depth": 2, "heads": 4}
    pairs = None if net.pairs is None else net.pairs.description
    neighbours = 0 if net.local is None else net.local.k
    grown = SetTransformer(F, **sizes, times=2, pairs=pairs, neighbours=neighbours).double()
    batch = a_batch()
    grown.adopt(net.state_dict())
    for second in (torch.zeros_like(T), torch.rand(B).double()):
        times = torch.stack([T, second], -1)
        torch.testing.assert_close(grown(batch.x, times, batch), net(batch.x, T, batch))
    assert SetTransformer(F, **sizes, outputs=6).double()(batch.x, T, batch).shape == (B, N, 6)
