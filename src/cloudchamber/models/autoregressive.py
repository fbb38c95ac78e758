r"""Multisets of kinds with additive charges, as sorted sequences.

A multiset of kinds {k_1 <= k_2 <= ... <= k_N} is one sorted sequence that closes with an end mark, so that

    p(multiset | c) = prod_i p(k_i | k_1 ... k_{i-1}, c) p(end | k_1 ... k_N, c)

is the probability of the unordered set. Kinds below the last one have probability zero. At every step the network is
told the charges that the rest of the sequence still has to carry, so that it can learn when a sequence may end.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cloudchamber.nets.transformer import SequenceTransformer
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["MultisetModel", "Sequences"]

_REACH = 5
"""Charges still to carry are told apart up to this absolute value."""

_WORTH_DROPPING = 0.75
"""Sequences that have ended are dropped when fewer than this share goes on: to drop them copies the cache."""


class Sequences(NamedTuple):
    """Sampled multisets.

    Attributes:
        kinds: sorted, zero where the mask is false, shape (B, N).
        mask: real elements, shape (B, N).
        whole: false where the longest allowed length was reached without an end mark, shape (B,).
    """

    kinds: Tensor
    mask: Tensor
    whole: Tensor


class MultisetModel(nn.Module):
    """Autoregressive model of the kinds in `x` (B, N, 1) given `context`.

    Args:
        charges: additive charges of each kind, shape (S, Q), integers.
        total: charges of every whole multiset, shape (Q,).
        context: size of the context.
        width: features inside the network.
        depth: transformer blocks.
        longest: most kinds in a sampled multiset.
    """

    charges: Tensor
    total: Tensor

    def __init__(
        self, charges: Tensor, total: Tensor, context: int, *, width: int = 96, depth: int = 3, longest: int = 128
    ) -> None:
        super().__init__()
        self.register_buffer("charges", torch.cat([charges, torch.zeros_like(charges[:1])]))
        self.register_buffer("total", total)
        self.end, self.longest = len(charges), longest
        levels = (2 * _REACH + 1,) * charges.shape[1]
        self.net = SequenceTransformer(
            self.end + 1, self.end + 1, levels, context, width=width, depth=depth, longest=longest + 1
        )

    def losses(self, rows: Batch, rng: Rng) -> Mapping[str, Tensor]:
        """Minus the log-probability of each multiset.

        Args:
            rows: a batch.
            rng: not used; the loss is exact.
        """
        return {"nll": -self.log_prob(rows)}

    def log_prob(self, rows: Batch) -> Tensor:
        """Log-probability of each multiset, shape (B,).

        Args:
            rows: x (B, N, 1) sorted kinds, mask (B, N), context (B, C).
        """
        assert rows.mask is not None
        assert rows.context is not None
        kinds = rows.x[..., 0].masked_fill(~rows.mask, self.end)
        closing = torch.full_like(kinds[:, :1], self.end)
        inputs, targets = torch.cat([closing, kinds], dim=1), torch.cat([kinds, closing], dim=1)
        carried = torch.cumsum(self.charges[inputs], dim=1)
        logits = self.net(inputs, self._levels(carried), rows.context).float()
        log_p = self._allow(logits, inputs).log_softmax(-1).gather(-1, targets[..., None])[..., 0]
        steps = torch.cat([torch.ones_like(rows.mask[:, :1]), rows.mask], dim=1)
        return log_p.masked_fill(~steps, 0.0).sum(1)

    @torch.no_grad()
    def sample(self, given: Batch, rng: Rng) -> Sequences:
        """New multisets.

        Args:
            given: its context (B, C) is used.
            rng: random stream; one uniform number a step.
        """
        context = given.context
        assert context is not None
        draws = rng.uniform(self.longest + 1)
        kinds = torch.full((len(context), self.longest + 1), self.end, device=context.device)
        rows = torch.arange(len(context), device=context.device)
        token, cache = kinds[:, 0], self.net.begin(context)
        carried = torch.zeros(len(context), self.charges.shape[1], dtype=self.charges.dtype, device=context.device)
        for step in range(self.longest + 1):
            logits, cache = self.net.step(token, self._levels(carried), cache)
            cumulative = self._allow(logits.float(), token).softmax(-1).cumsum(-1)
            drawn = (cumulative <= draws[rows, step, None] * cumulative[:, -1:]).sum(-1).clamp(max=self.end)
            token = drawn if step == 0 else drawn.masked_fill(token == self.end, self.end)
            kinds[rows, step] = token
            carried = carried + self.charges[token]
            going = (token != self.end).nonzero()[:, 0]
            if not len(going):
                break
            if len(going) < _WORTH_DROPPING * len(rows):
                rows, token, carried, cache = rows[going], token[going], carried[going], cache.select(going)
        ended = (kinds == self.end).any(1)
        kinds = kinds[:, : min(max(int((kinds != self.end).sum(1).max()), 1), self.longest)]
        mask = kinds != self.end
        return Sequences(kinds.masked_fill(~mask, 0), mask, ended)

    def _levels(self, carried: Tensor) -> Tensor:
        return (self.total - carried).clamp(-_REACH, _REACH) + _REACH

    def _allow(self, logits: Tensor, last: Tensor) -> Tensor:
        """Logits with the kinds below the last one forbidden; the start mark forbids none."""
        lowest = last.masked_fill(last == self.end, 0)
        return logits.masked_fill(torch.arange(self.end + 1, device=logits.device) < lowest[..., None], float("-inf"))
