"""Random streams: what is drawn does not depend on how rows are divided, grouped or ordered."""

import numpy as np
import pytest
import torch
from scipy import stats

from cloudchamber.tensors.rng import EventRng, Rng, RowRng


@pytest.mark.parametrize("cut", [0, 1, 5, 8])
def test_parts_of_a_batch_are_parts_of_the_whole(cut: int) -> None:
    whole, first, second = RowRng((3, 4), 8), RowRng((3, 4), 8, 0, cut), RowRng((3, 4), 8, cut)
    for draw in ("normal", "uniform", "normal"):
        expected = getattr(whole, draw)(2, 3)
        parts = [getattr(rng, draw)(2, 3) for rng in (first, second)]
        assert torch.equal(torch.cat(parts), expected)


def test_the_seed_names_the_stream() -> None:
    assert torch.equal(RowRng((1, 2), 5).normal(), RowRng((1, 2), 5).normal())
    assert not torch.equal(RowRng((1, 2), 5).normal(), RowRng((1, 3), 5).normal())
    assert not torch.equal(RowRng((1, 2), 5).normal(), RowRng((2, 1), 5).normal())


def test_an_event_does_not_depend_on_its_neighbours() -> None:
    together, alone = EventRng(7, range(20)), EventRng(7, [13])
    assert torch.equal(together.normal(4)[13:14], alone.normal(4))
    assert torch.equal(together.uniform(2, 2)[13:14], alone.uniform(2, 2))
    shuffled = EventRng(7, [19, 13, 0])
    assert torch.equal(shuffled.normal(4)[1:2], EventRng(7, [13]).normal(4))


def test_selected_streams_go_on_where_they_are() -> None:
    used, reference = EventRng(7, range(6)), EventRng(7, range(6))
    used.normal(3), reference.normal(3)
    chosen = used.select([4, 1]).normal(5)
    assert torch.equal(chosen, reference.normal(5)[[4, 1]])
    rest = used.normal(5)
    again = EventRng(7, range(6))
    again.normal(3)
    assert torch.equal(rest[[0, 2, 3, 5]], again.normal(5)[[0, 2, 3, 5]])
    assert not torch.equal(rest[[4, 1]], chosen)


def test_seeds_stages_and_events_have_streams_of_their_own() -> None:
    numbers = [EventRng(seed, [event], stage).normal(1).item()
               for seed in range(4) for event in range(4) for stage in range(4)]  # fmt: skip
    assert len(set(numbers)) == 64


@pytest.mark.parametrize("rng", [RowRng((1,), 4_000), EventRng(5, range(4_000))], ids=["rows", "events"])
def test_draws_follow_their_distributions(rng: Rng) -> None:
    normal, uniform = rng.normal(3), rng.uniform(3)
    assert normal.dtype == uniform.dtype == torch.float32
    assert stats.kstest(normal.numpy().ravel(), "norm").pvalue > 1e-3
    assert stats.kstest(uniform.numpy().ravel(), "uniform").pvalue > 1e-3
    assert uniform.min() >= 0
    assert uniform.max() < 1
    correlation = np.corrcoef(np.concatenate([normal.numpy(), uniform.numpy()], axis=1).T) - np.eye(6)
    assert np.abs(correlation).max() < 5 / np.sqrt(4_000)


def test_a_row_without_trailing_shape_is_one_number() -> None:
    assert RowRng((1,), 3).uniform().shape == EventRng(1, range(3)).uniform().shape == (3,)
