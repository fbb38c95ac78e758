r"""Philox4x32-10: random bits as a function of a counter and a key, for any number of counters at once.

A block (c0, c1, c2, c3) of 32-bit words is scrambled in ten rounds under a key (k0, k1), which grows by a constant
from round to round (J. K. Salmon et al., SC '11, doi:10.1145/2063384.2063405, section 3.3):

    (h0, l0) = M0 c0,   (h1, l1) = M1 c2,   (c0, c1, c2, c3) <- (h1 ^ c1 ^ k0, l1, h0 ^ c3 ^ k1, l0)

Nothing is remembered, so a stream is a number in the counter, and all streams are drawn together on any device.
Words are kept in int64, where the product of two words wraps to the right bits.
"""

import torch
from torch import Tensor

__all__ = ["philox"]

_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_INCREMENTS = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10
_WORD = 0xFFFFFFFF


def philox(counter: Tensor, key: tuple[int, int]) -> Tensor:
    """Four random words for each counter, int64 from 0 to 2^32 - 1, shape (..., 4).

    Args:
        counter: words from 0 to 2^32 - 1, int64, shape (..., 4).
        key: two words.

    >>> [f"{word:08x}" for word in philox(torch.zeros(4, dtype=torch.int64), (0, 0)).tolist()]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    c0, c1, c2, c3 = counter.unbind(-1)
    k0, k1 = key
    for _ in range(_ROUNDS):
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = _high(p1) ^ c1 ^ k0, p1 & _WORD, _high(p0) ^ c3 ^ k1, p0 & _WORD
        k0, k1 = (k0 + _INCREMENTS[0]) & _WORD, (k1 + _INCREMENTS[1]) & _WORD
    return torch.stack([c0, c1, c2, c3], dim=-1)


def _high(product: Tensor) -> Tensor:
    return (product >> 32) & _WORD
