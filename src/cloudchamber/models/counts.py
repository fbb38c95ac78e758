r"""Vectors of whole numbers, one after the other.

    p(n | c) = prod_l p(n_l | n_0 ... n_{l-1}, c),     0 <= n_l <= most

with a causal transformer that is also told, in coarse steps, the sum of the numbers before.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cloudchamber.nets.transformer import SequenceTransformer
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["CountsModel"]

_STEPS = 32
"""Sums are told in so many steps."""


class CountsModel(nn.Module):
    """Autoregressive model of the whole numbers in `x` (B, L) given `context`.

    Args:
        length: numbers L in a vector.
        most: largest number.
        context: size of the context.
        width: features inside the network.
        depth: transformer blocks.
        dropout: see `nets.layers.ModulatedBlock`.
    """

    def __init__(
        self, length: int, most: int, context: int, *, width: int = 64, depth: int = 2, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.length, self.most = length, most
        self.step = max(1, most * length // (2 * _STEPS))
        self.net = SequenceTransformer(
            most + 2, most + 1, (_STEPS,), context, width=width, depth=depth, longest=length, dropout=dropout
        )

    def losses(self, rows: Batch, rng: Rng) -> Mapping[str, Tensor]:
        """Minus the log-probability of each vector.

        Args:
            rows: a batch.
            rng: not used; the loss is exact.
        """
        return {"nll": -self.log_prob(rows)}

    def log_prob(self, rows: Batch) -> Tensor:
        """Log-probability of each vector, shape (B,).

        Args:
            rows: x (B, L), context (B, C).
        """
        assert rows.context is not None
        numbers = rows.x.long()
        start = torch.full_like(numbers[:, :1], self.most + 1)
        before = torch.cat([torch.zeros_like(start), numbers[:, :-1]], dim=1).cumsum(1)
        logits = self.net(torch.cat([start, numbers[:, :-1]], dim=1), self._level(before), rows.context).float()
        log_p: Tensor = logits.log_softmax(-1).gather(-1, numbers[..., None])[..., 0].sum(1)
        return log_p

    @torch.no_grad()
    def sample(self, given: Batch, rng: Rng) -> Tensor:
        """New vectors, shape (B, L), int64.

        Args:
            given: its context (B, C) is used.
            rng: random stream; one uniform number for each number.
        """
        assert given.context is not None
        draws = rng.uniform(self.length)
        numbers = torch.zeros(len(draws), self.length, dtype=torch.long, device=given.context.device)
        token, cache = torch.full_like(numbers[:, 0], self.most + 1), self.net.begin(given.context)
        for place in range(self.length):
            before = numbers[:, :place].sum(1)
            logits, cache = self.net.step(token, self._level(before), cache)
            cumulative = logits.double().softmax(-1).cumsum(-1)
            token = (cumulative <= draws[:, place, None] * cumulative[:, -1:]).sum(-1).clamp(max=self.most)
            numbers[:, place] = token
        return numbers

    def _level(self, before: Tensor) -> Tensor:
        return (before // self.step).clamp(max=_STEPS - 1)[..., None]
