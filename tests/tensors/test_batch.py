"""Batches and bundles: rows stay whole whatever is selected, trimmed or cut."""

import pytest
import torch

from cloudchamber.tensors.batch import Batch, Bundle

LENGTHS = torch.tensor([3, 1, 4, 2, 4])


def a_set(padded: int = 6) -> Batch:
    """Rows whose every entry says which row and element it is."""
    mask = torch.arange(padded) < LENGTHS[:, None]
    tokens = torch.arange(len(LENGTHS))[:, None] * 100 + torch.arange(padded)
    return Batch(
        x=tokens[..., None] + torch.tensor([0.1, 0.2]), weight=torch.arange(5.0), context=torch.arange(10.0).view(5, 2),
        mask=mask, tokens=tokens, token_context=tokens[..., None] + 0.3,
    )  # fmt: skip


def assert_same(a: Batch, b: Batch) -> None:
    for name in ("x", "weight", "context", "mask", "tokens", "token_context"):
        one, two = getattr(a, name), getattr(b, name)
        assert (one is None) == (two is None)
        assert one is None or torch.equal(one, two)


def test_lengths_count_the_real_elements() -> None:
    assert torch.equal(a_set().lengths, LENGTHS)
    assert Batch(torch.zeros(3, 2), torch.ones(3)).lengths.tolist() == [1, 1, 1]


def test_selection_takes_every_field_of_a_row() -> None:
    index = torch.tensor([4, 0, 0])
    chosen = a_set().select(index)
    assert chosen.weight.tolist() == [4, 0, 0]
    for name in ("x", "context", "mask", "tokens", "token_context"):
        assert torch.equal(getattr(chosen, name), getattr(a_set(), name)[index])
    assert_same(a_set().select(torch.arange(5)), a_set())
    assert_same(a_set().select(index).select(torch.tensor([1])), a_set().select(torch.tensor([0])))


def test_trimming_removes_padding_and_nothing_else() -> None:
    trimmed = a_set().trim()
    assert trimmed.x.shape == (5, 4, 2)
    assert torch.equal(trimmed.lengths, LENGTHS)
    assert torch.equal(trimmed.tokens[trimmed.mask], a_set().tokens[a_set().mask])
    assert_same(trimmed.trim(), trimmed)
    assert torch.equal(trimmed.context, a_set().context)


@pytest.mark.parametrize("length", [4, 5, 6])
def test_cutting_to_a_length_keeps_the_first_elements(length: int) -> None:
    assert_same(a_set().pad_to(length), a_set(length))


def test_vectors_are_never_cut() -> None:
    batch = Batch(torch.arange(12.0).view(3, 4), torch.ones(3))
    assert_same(batch.trim(), batch)
    with_mask = Batch(batch.x, batch.weight, mask=torch.tensor([[True, False]] * 3))
    assert torch.equal(with_mask.trim().x, batch.x)


def test_a_bundle_does_to_every_part_what_a_batch_does() -> None:
    vector = Batch(torch.arange(10.0).view(5, 2), torch.arange(5.0))
    bundle = Bundle({"vector": vector, "set": a_set()})
    index = torch.tensor([1, 3])
    chosen = bundle.select(index)
    assert len(bundle) == 5
    assert len(chosen) == 2
    assert_same(chosen["vector"], vector.select(index))
    assert_same(chosen.trim()["set"], a_set().select(index).trim())
    assert torch.equal(bundle.lengths, LENGTHS)
    assert torch.equal(chosen.weight, torch.tensor([1.0, 3.0]))
    assert_same(bundle.to("cpu")["set"], a_set())
