"""Known answers of Philox4x32-10, and independence of what is drawn together."""

import pytest
import torch

from cloudchamber.tensors.philox import philox

KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
"""Of the authors' own test vectors (Random123, kat_vectors): counter, key, result."""


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_the_authors_known_answers(counter: str, key: str, result: str) -> None:
    first, second = words(key)
    assert philox(torch.tensor(words(counter)), (first, second)).tolist() == words(result)


def test_many_counters_are_as_each_alone() -> None:
    counters = torch.randint(0, 2**32, (3, 5, 4), generator=torch.Generator().manual_seed(1))
    together = philox(counters, (7, 9))
    assert torch.equal(together[2, 3], philox(counters[2, 3], (7, 9)))
    assert len(torch.unique(together)) == together.numel()


def test_one_bit_of_the_counter_or_key_flips_half_of_all_bits() -> None:
    counters = torch.randint(0, 2**32, (4_000, 4), generator=torch.Generator().manual_seed(2))
    before = philox(counters, (1, 2))
    for after in (philox(counters ^ torch.tensor([0, 0, 1, 0]), (1, 2)), philox(counters, (3, 2))):
        flipped = sum(((before ^ after) >> bit) & 1 for bit in range(32))
        assert flipped.double().mean().item() / 32 == pytest.approx(0.5, abs=5 * 0.5 / (32 * 4 * 4_000) ** 0.5)
