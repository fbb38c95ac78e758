r"""Shares of a whole, one after the other, such as the energies of the layers of a shower.

    p(s_1 ... s_M | w, c) = prod_k p(b_k | b_1 ... b_{k-1}, w, c)

where b_k is a bin of the score of share k, which compares it with what its weight w_k would give it, or is the amount
of the share itself (see `tensors.sticks.weighted_score`). The last share is what is left, so that they sum to one.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from cloudchamber.models.quantile_bins import QuantileBins, drawn
from cloudchamber.nets.steps import StepNet
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng
from cloudchamber.tensors.sticks import Weighted, weighted, weighted_share

__all__ = ["NUMBERS", "SharesModel"]

NUMBERS = 6
"""Numbers that describe a share before it is known."""


class SharesModel(nn.Module):
    """Model of the shares of a batch: `x` (B, M, 2) holds each share and F of its score.

    `tokens` (B, M) say which share it is; `token_context` (B, M, 2) holds the weights and, for shares that are told as
    amounts, the amount of the whole (zero for others).

    Args:
        net: the network.
        bins: of the scores, one distribution for each token.
        smoothing: in bins, see `QuantileBins.spread`; not of shares that are told as amounts, which may have lines.
    """

    def __init__(self, net: StepNet, bins: QuantileBins, smoothing: float = 0.0) -> None:
        super().__init__()
        self.net, self.bins, self.smoothing = net, bins, smoothing

    def losses(self, rows: Batch, rng: Rng) -> Mapping[str, Tensor]:
        """Cross entropy of each row's bins, minus their log-probability without smoothing.

        Args:
            rows: a batch.
            rng: not used; the loss is exact.
        """
        steps, chosen = _steps(rows), self.bins.find(rows.x[..., 1].double())
        smooth = (steps.amount == 0)[..., None]
        target = torch.where(smooth, self.bins.spread(chosen, self.smoothing), self.bins.spread(chosen, 0.0))
        log_p = (target * self.logits(rows).log_softmax(-1)).sum(-1)
        return {"nll": -torch.where(steps.free, log_p, 0.0).sum(1)}

    def log_prob(self, rows: Batch) -> Tensor:
        """Log-probability of the bins of shares, shape (B,).

        Args:
            rows: a batch.
        """
        steps = _steps(rows)
        chosen = self.bins.find(rows.x[..., 1].double())
        log_p = self.logits(rows).log_softmax(-1).gather(-1, chosen[..., None])[..., 0]
        return torch.where(steps.free, log_p, 0.0).sum(1)

    def logits(self, rows: Batch) -> Tensor:
        """What the model says of the bin of each share, given those before it, shape (B, M, bins).

        Args:
            rows: a batch.
        """
        steps = _steps(rows)
        known = weighted(rows.x[..., 0].double(), steps.weights, steps.amount)
        before = functional.pad(rows.x[:, :-1, 1].float(), (1, 0), value=0.5)
        logits: Tensor = self.net(steps.tokens, _numbers(known, before), steps.context).float()
        return logits

    @torch.no_grad()
    def sample(self, given: Batch, rng: Rng) -> Tensor:
        """New x under the conditions of a batch, float64; padding is zero.

        Args:
            given: conditions; its x only gives the shape.
            rng: random stream; two uniform numbers for each share.
        """
        steps = _steps(given)
        draws, past = rng.uniform(steps.tokens.shape[1], 2), self.net.begin(steps.context)
        x = torch.zeros(*steps.tokens.shape, 2, dtype=torch.float64, device=draws.device)
        rest, last = torch.ones_like(x[:, 0, 0]), torch.full_like(draws[:, 0, 0], 0.5)
        to_come = steps.weights.flip(1).cumsum(1).flip(1)
        for k in range(x.shape[1]):
            known = Weighted(rest, steps.weights[:, k], to_come[:, k], to_come[:, 0], steps.amount[:, k])
            logits = self.net.step(steps.tokens[:, k], _numbers(known, last), past)
            cumulative = self.bins.cumulative(drawn(logits, draws[:, k, 0]), draws[:, k, 1])
            score = self.bins.values(cumulative, steps.tokens[:, k])
            one = torch.where(steps.free[:, k], weighted_share(score, known), rest)
            one = torch.where(steps.mask[:, k], one, 0.0)
            x[:, k, 0], x[:, k, 1] = one, torch.where(steps.mask[:, k], cumulative, 0.0)
            rest, last = (rest - one).clamp(min=0), cumulative.float()
        return x


class _Steps(NamedTuple):
    """Conditions of a batch; `free` says of which shares there is a choice."""

    tokens: Tensor
    weights: Tensor
    amount: Tensor
    context: Tensor
    mask: Tensor
    free: Tensor


def _steps(rows: Batch) -> _Steps:
    assert rows.mask is not None
    assert rows.tokens is not None
    assert rows.context is not None
    assert rows.token_context is not None
    weights, amount = torch.where(rows.mask[..., None], rows.token_context.double(), 0.0).unbind(-1)
    free = functional.pad(rows.mask[:, 1:], (0, 1))
    return _Steps(rows.tokens, weights, amount, rows.context, rows.mask, free)


def _numbers(known: Weighted, before: Tensor) -> Tensor:
    """That describe shares, about of unit size, shape (..., 6), float32."""
    rest, weight, to_come, total = (part.clamp(min=1e-9) for part in known[:4])
    parts = [rest.log() / 2 + 1, weight.log() - 1.5, (weight / to_come).log() / 2 + 1, (to_come / total).log() / 2 + 1]
    surplus = (rest * total / to_come).log().clamp(-4, 4)
    return torch.stack([*parts, surplus, 4 * before.double() - 2], dim=-1).float()
