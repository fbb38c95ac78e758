r"""JetGPT: the numbers of an event one after the other, each from a mixture that knows its edges (arXiv:2305.10475).

    p(x | c) = prod_i p(x_i | x_1 ... x_{i-1}, c)

A causal transformer gives the mixture of each number, of normal distributions on the line or on the circle. What is
known of a number before it is drawn is taken from rules: a number that has edges is drawn from the cut mixture
(`models.truncated`), so nothing lies beyond them, and angles are told from a direction that depends on the numbers
before. How angles set in beyond an edge is learnt in steps (`models.stepped`). Some components are told from other
places, such as where an earlier jet is, and in units of how far around them the number may lie: what is near to a place
would otherwise be learnt anew for each. Events may end early: rows have as many numbers as their mask says.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from cloudchamber.models.stepped import SteppedMixture
from cloudchamber.models.truncated import TruncatedMixture
from cloudchamber.nets.numbers import NumberTransformer
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng
from cloudchamber.tensors.support import Support

__all__ = ["JetGPT", "Known", "Rules"]

_SPREAD = 2.5
_SELDOM = -2.0
"""Logit of what is near to a place, at the start."""
_LEAST, _MOST = -7.0, 3.0
"""Of ln s on the line."""
_WIDEST = 1.8
"""Largest s on a circle, where a mixture of one component is uniform to a few per cent."""


class Known(Protocol):
    """What is told before a number is drawn."""

    @property
    def direction(self) -> Tensor:
        """From which an angle is told, shape (B,)."""
        ...

    @property
    def told(self) -> Tensor:
        """Features, shape (B, T)."""
        ...

    @property
    def near(self) -> Tensor:
        """Places near to which the number may lie, shape (B, K)."""
        ...

    @property
    def reach(self) -> Tensor:
        """How far around them it may lie, shape (B, K)."""
        ...


class _Origins(NamedTuple):
    """From where components are told; of `Known`."""

    direction: Tensor
    near: Tensor
    reach: Tensor

    @classmethod
    def of(cls, known: Known) -> "_Origins":
        return cls(known.direction, known.near, known.reach)

    def select(self, rows: Tensor) -> "_Origins":
        return _Origins(*(one[rows] for one in self))


class Rules(Protocol):
    """What is known of each number before it is drawn."""

    TOLD: int
    NEAR: int
    SHELLS: tuple[int, int]
    """Arcs A at most that an angle must avoid, and shells S about each."""

    @property
    def circular(self) -> tuple[bool, ...]:
        """Which numbers are angles."""
        ...

    def support(self, column: int, rows: Tensor) -> Support:
        """Where a number may lie, given the numbers before."""
        ...

    def recoil(self, column: int, rows: Tensor) -> Known:
        """What is told of it, given the numbers before."""
        ...

    def mirrored(self, rows: Tensor, rng: Rng) -> Tensor:
        """Rows that are as probable as these."""
        ...


class JetGPT(nn.Module):
    """Autoregressive model of the numbers in `x` (B, L, 1), as far as the mask goes, given `context`.

    Args:
        rules: of the numbers.
        context: size of the context.
        components: of each mixture that are told from zero, or from the direction of an angle.
        near: components for each of the places that the rules know.
        width: features inside the network.
        depth: transformer blocks.
        heads: attention heads.
        dropout: see `nets.layers.ModulatedBlock`.
    """

    def __init__(
        self, rules: Rules, context: int, *, components: int = 24, near: int = 0, width: int = 64, depth: int = 3,
        heads: int = 4, dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.rules, self.components, self.near = rules, components, near
        paired, steps = near * rules.NEAR, math.prod(rules.SHELLS)
        self.net = NumberTransformer(rules.circular, rules.TOLD, context, 3 * (components + paired) + steps,
                                     width=width, depth=depth, heads=heads, dropout=dropout)  # fmt: skip
        for angle, head in zip(rules.circular, self.net.outputs, strict=True):
            assert isinstance(head, nn.Linear)
            nn.init.zeros_(head.weight)
            reach = math.pi if angle else _SPREAD
            spread = -1.0 if angle else math.log(2 * _SPREAD / components)
            first = (
                torch.cat([torch.zeros(components), torch.full((paired,), _SELDOM)]),
                torch.cat([torch.linspace(-reach, reach, components), torch.linspace(-1, 1, near).repeat(rules.NEAR)]),
                torch.full((components + paired,), spread),
                torch.zeros(steps),
            )
            head.bias.data.copy_(torch.cat(first))

    def losses(self, rows: Batch, rng: Rng) -> Mapping[str, Tensor]:
        """Minus the log-density of a mirror image of each row; numbers that rounding put beyond an edge are put back.

        Args:
            rows: a batch.
            rng: random stream of the images.
        """
        assert rows.mask is not None
        image = self.rules.mirrored(rows.x[..., 0], rng) * rows.mask
        return {"nll": -self._summed(replace(rows, x=image[..., None]), SteppedMixture.log_prob_inside)}

    def log_prob(self, rows: Batch) -> Tensor:
        """Log-density of the numbers of each row, shape (B,); minus infinity beyond an edge.

        Args:
            rows: x (B, L, 1), mask (B, L), context (B, C).
        """
        return self._summed(rows, SteppedMixture.log_prob)

    def _summed(self, rows: Batch, log_prob: Callable[[SteppedMixture, Tensor, Support], Tensor]) -> Tensor:
        assert rows.mask is not None
        assert rows.context is not None
        x = rows.x[..., 0]
        known = [self.rules.recoil(column, x.detach()) for column in range(x.shape[1])]
        out = self.net(x.float(), torch.stack([one.told for one in known], dim=1), rows.context)
        total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        for column, one in enumerate(known):
            there = rows.mask[:, column].nonzero()[:, 0]
            if len(there):
                mixture = self._mixture(column, out[column][there], _Origins.of(one).select(there))
                support = self.rules.support(column, x[there])
                total = total.index_add(0, there, log_prob(mixture, x[there, column], support))
        return total

    @torch.no_grad()
    def sample(self, given: Batch, rng: Rng) -> Tensor:
        """New numbers, shape (B, L, 1), zero where the mask is false, in float64.

        Args:
            given: its mask (B, L) and context (B, C) are used.
            rng: random stream; two uniform numbers for each number.
        """
        assert given.mask is not None
        assert given.context is not None
        size, length = given.mask.shape
        draws = rng.uniform(length, 2)
        x = torch.zeros(size, length, dtype=torch.float64, device=given.context.device)
        rows, cache = torch.arange(size, device=x.device), self.net.begin(given.context)
        for column in range(length):
            going = given.mask[rows, column].nonzero()[:, 0]
            if not len(going):
                break
            if len(going) < len(rows):
                rows, cache = rows[going], cache.select(going)
            sofar = x[rows, :column]
            known = self.rules.recoil(column, sofar)
            before = sofar[:, -1].float() if column else None
            out, cache = self.net.step(before, known.told, cache)
            mixture = self._mixture(column, out, _Origins.of(known))
            x[rows, column] = mixture.sample(draws[rows, column], self.rules.support(column, sofar))
        return x[..., None]

    def _mixture(self, column: int, out: Tensor, origins: _Origins) -> SteppedMixture:
        components = self.components + self.near * self.rules.NEAR
        (logits, means, widths), heights = out[:, : 3 * components].double().chunk(3, dim=1), out[:, 3 * components :]
        angle = self.rules.circular[column]
        origin = origins.direction if angle else torch.zeros_like(origins.direction)
        widths = math.log(_WIDEST) + _log_sigmoid(widths) if angle else widths.clamp(_LEAST, _MOST)
        first, unit = (one[:, None].expand(-1, self.components) for one in (origin, torch.ones_like(origin)))
        places = torch.cat([first, origins.near.repeat_interleave(self.near, 1)], dim=1)
        reach = torch.cat([unit, origins.reach.repeat_interleave(self.near, 1)], dim=1)
        mixture = TruncatedMixture(logits, places + means * reach, widths + reach.log())
        return SteppedMixture(mixture, heights.double().reshape(-1, *self.rules.SHELLS))


def _log_sigmoid(widths: Tensor) -> Tensor:
    """Ln of a share of the widest, not below ln 1e-3."""
    return torch.log(torch.sigmoid(widths) + 1e-3)
