r"""Mixtures of normal distributions of one number, cut off where the number cannot be.

    line       q(x) = sum_k w_k N(x; m_k, s_k)
    circle     q(x) = sum_k w_k sum_n N(x + 2 pi n; m_k, s_k),    -2 <= n <= 2

On a support S, an interval or a circle without some arcs, the density is

    p(x) = q(x) 1(x in S) / sum_k w_k M_k,      M_k = int_S q_k(x) dx,

which is the mixture of the cut components with weights proportional to w_k M_k: nothing lies beyond an edge, and the
integral is 1 for any numbers w, m, s that a network may give. All M_k are differences of normal distribution functions,
taken in the tail where they are small, so that no edge is too far out.
"""

import math
from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor

from cloudchamber.models.mixture import choose
from cloudchamber.tensors.support import Circle, Gaps, Interval, Support, wrapped

__all__ = ["TruncatedMixture"]

_IMAGES = torch.arange(-2, 3, dtype=torch.float64) * 2 * math.pi
_ROUNDING = 1e-5
"""A number may be so far outside of its support, for rounding to float32."""
_SMALLEST = 1e-12
_UNDERFLOW = 1e-290
_BISECTIONS = 52
_ROOT = math.log(2 * math.pi) / 2


class TruncatedMixture(NamedTuple):
    """One mixture for each row, in float64.

    Attributes:
        logits: of the weights w before they are cut, shape (B, K).
        means: m; on a circle any angle, shape (B, K).
        log_scales: ln s; on a circle s must be below about 2, shape (B, K).
    """

    logits: Tensor
    means: Tensor
    log_scales: Tensor

    def log_prob(self, x: Tensor, support: Support) -> Tensor:
        """Log-density of a number of each row, minus infinity outside of the support; shape (B,).

        Args:
            x: shape (B,).
            support: of the numbers.
        """
        beyond = (x - _into(x.double(), support)).abs() > _ROUNDING
        return self.log_prob_inside(x, support).masked_fill(beyond, float("-inf"))

    def log_prob_inside(self, x: Tensor, support: Support) -> Tensor:
        """Log-density at the nearest numbers of the support, which is always finite; shape (B,).

        Args:
            x: shape (B,).
            support: of the numbers.
        """
        inside = _into(x.double(), support)
        log_weights = self.logits.log_softmax(1)
        joint = (log_weights + self._log_density(inside, support)).logsumexp(1)
        if _has_edges(support):
            joint = joint - (log_weights + self._log_masses(support)).logsumexp(1)
        return joint

    def sample(self, uniform: Tensor, support: Support) -> Tensor:
        """One number for each row, shape (B,).

        Args:
            uniform: two numbers in [0, 1) for each row, shape (B, 2).
            support: of the numbers.
        """
        logits = self.logits + self._log_masses(support) if _has_edges(support) else self.logits
        label = choose(logits.double(), uniform[:, 0].double())
        if isinstance(support, Circle):
            return self.drawn(label, uniform[:, 1], support.gaps())
        mean, scale = self._component(label)
        share = _inner(uniform[:, 1])
        if isinstance(support, Interval):
            return _from_interval(share, mean, scale, support)
        drawn: Tensor = mean + scale * torch.special.ndtri(share)
        return drawn

    def drawn(self, label: Tensor, uniform: Tensor, gaps: Gaps) -> Tensor:
        """Angles of given components in some gaps of a circle, shape (B,).

        Args:
            label: components, shape (B,).
            uniform: one number in [0, 1) for each row, shape (B,).
            gaps: of each row.
        """
        mean, scale = self._component(label)
        return _from_gaps(_inner(uniform), wrapped(mean), scale, gaps)

    def log_masses(self, gaps: Gaps) -> Tensor:
        """Ln of the probability of each component in each gap of a circle, shape (B, K, G).

        Args:
            gaps: of each row.
        """
        scale = self.log_scales.exp()
        shift = (_IMAGES.to(scale) - wrapped(self.means)[..., None])[:, :, None, :]
        low = (gaps.low.to(scale)[:, None, :, None] + shift) / scale[..., None, None]
        high = (gaps.high.to(scale)[:, None, :, None] + shift) / scale[..., None, None]
        return _log_mass(low, high).logsumexp(-1)

    def _component(self, label: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, each of shape (B,)."""
        mean, log_scale = (one.gather(1, label[:, None])[:, 0] for one in (self.means, self.log_scales))
        return mean, log_scale.exp()

    def _log_density(self, x: Tensor, support: Support) -> Tensor:
        """Ln q_k(x), shape (B, K)."""
        off = x[:, None] - self.means
        if not isinstance(support, Circle):
            normal: Tensor = -(off / self.log_scales.exp()).square() / 2 - self.log_scales - _ROOT
            return normal
        score = (wrapped(off)[..., None] + _IMAGES.to(off)) / self.log_scales.exp()[..., None]
        return (-score.square() / 2).logsumexp(-1) - self.log_scales - _ROOT

    def _log_masses(self, support: Interval | Circle) -> Tensor:
        """Ln M_k, shape (B, K)."""
        if isinstance(support, Interval):
            scale = self.log_scales.exp()
            return _log_mass((support.low[:, None] - self.means) / scale, (support.high[:, None] - self.means) / scale)
        return self.log_masses(support.gaps()).logsumexp(-1)


def _inner(uniform: Tensor) -> Tensor:
    """The middle of a step of random numbers, so that neither end of a support is drawn."""
    return uniform.double() + 2.0**-25


def _has_edges(support: Support) -> TypeGuard[Interval | Circle]:
    return isinstance(support, Interval) or (isinstance(support, Circle) and support.arcs is not None)


def _log_mass(low: Tensor, high: Tensor) -> Tensor:
    """Ln of the probability of a unit normal number between two others, never below that of a hair."""
    flipped = low + high > 0
    left = torch.special.log_ndtr(torch.where(flipped, -high, low))
    right = torch.special.log_ndtr(torch.where(flipped, -low, high))
    mass: Tensor = right + torch.log(-torch.expm1(-(right - left).clamp(min=_SMALLEST)))
    return mass


def _into(x: Tensor, support: Support) -> Tensor:
    """The nearest number of the support."""
    if isinstance(support, Interval):
        return torch.minimum(torch.maximum(x, support.low), support.high)
    if isinstance(support, Circle) and support.arcs is not None:
        gaps = support.gaps()
        nearest = torch.minimum(torch.maximum(x[:, None], gaps.low.to(x)), gaps.high.to(x))
        empty = gaps.high <= gaps.low
        far = (nearest - x[:, None]).abs().masked_fill(empty.to(x.device), float("inf"))
        place: Tensor = nearest.gather(1, far.argmin(1, keepdim=True))[:, 0]
        return place
    return x


def _from_interval(share: Tensor, mean: Tensor, scale: Tensor, support: Interval) -> Tensor:
    """Numbers of cut normal distributions that have given shares of the probability below them."""
    low, high = (support.low - mean) / scale, (support.high - mean) / scale
    flipped = low + high > 0
    a, b = torch.where(flipped, -high, low), torch.where(flipped, -low, high)
    share = torch.where(flipped, 1 - share, share)
    start, stop = torch.special.ndtr(a), torch.special.ndtr(b)
    score = torch.special.ndtri(start + share * (stop - start))
    # so far out the distribution falls as an exponential function
    steep = b.abs().clamp(min=1)
    far = b + torch.log(share + (1 - share) * torch.exp(-steep * (b - a))) / steep
    score = torch.where(stop > _UNDERFLOW, score, far).clamp(min=a, max=b)
    drawn = mean + scale * torch.where(flipped, -score, score)
    return torch.minimum(torch.maximum(drawn, support.low), support.high)


def _from_gaps(share: Tensor, mean: Tensor, scale: Tensor, gaps: Gaps) -> Tensor:
    """As `_from_interval`, on a circle: the gap first, then the place in it by halving."""
    low, high = (side.to(mean.device).expand(len(mean), -1) for side in gaps)
    start = _distribution(low, mean, scale)
    masses = (_distribution(high, mean, scale) - start).clamp(min=0)
    summed = masses.cumsum(1)
    target = share * summed[:, -1]
    gap = (target[:, None] >= summed).sum(1, keepdim=True).clamp(max=low.shape[1] - 1)
    wanted = target[:, None] - (summed - masses).gather(1, gap) + start.gather(1, gap)
    below, above = low.gather(1, gap), high.gather(1, gap)
    for _ in range(_BISECTIONS):
        middle = (below + above) / 2
        less = _distribution(middle, mean, scale) < wanted
        below, above = torch.where(less, middle, below), torch.where(less, above, middle)
    return above[:, 0]


def _distribution(x: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Probability of a normal distribution on a circle between far away and x, shape (B, G)."""
    score = (x[..., None] + _IMAGES.to(x) - mean[:, None, None]) / scale[:, None, None]
    below: Tensor = torch.special.ndtr(score).sum(-1)
    return below
