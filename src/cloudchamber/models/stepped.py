r"""Cut mixtures of an angle that turn on in steps beyond their edges.

    p(x) = q(x) h(x) / sum_p h_p Q_p,      h(x) = prod_a h_a,s(x),      Q_p = int_p q(x) dx

Here q is a cut mixture (`models.truncated`), and h a staircase about each arc that is cut out of the circle, constant
in each of S shells about it and 1 beyond. Sides of arcs and shells divide the circle into pieces p on which h is
constant, so that the integral is exact, and so are draws: the piece and the component first, then the place in the
piece. A smooth mixture that is cut sets in at full height; how many numbers lie how near to an edge is what h learns.
"""

import math
from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor

from cloudchamber.models.mixture import choose
from cloudchamber.models.truncated import TruncatedMixture
from cloudchamber.tensors.support import Circle, Gaps, Pieces, Support

__all__ = ["SteppedMixture"]


class SteppedMixture(NamedTuple):
    """One for each row.

    Attributes:
        mixture: q before it is cut.
        log_heights: ln h of the shells about each arc, shape (B, A, S); those of later arcs are not used if a
            support has fewer.
    """

    mixture: TruncatedMixture
    log_heights: Tensor

    def log_prob(self, x: Tensor, support: Support) -> Tensor:
        """Log-density of a number of each row, minus infinity outside of the support; shape (B,).

        Args:
            x: shape (B,).
            support: of the numbers; without shells the density is that of q.
        """
        return self.mixture.log_prob(x, support) + self._log_factor(x, support)

    def log_prob_inside(self, x: Tensor, support: Support) -> Tensor:
        """Log-density at the nearest numbers of the support, which is always finite; shape (B,).

        Args:
            x: shape (B,).
            support: of the numbers.
        """
        return self.mixture.log_prob_inside(x, support) + self._log_factor(x, support)

    def sample(self, uniform: Tensor, support: Support) -> Tensor:
        """One number for each row, shape (B,).

        Args:
            uniform: two numbers in [0, 1) for each row, shape (B, 2).
            support: of the numbers.
        """
        x = self.mixture.sample(uniform, support)
        if _has_shells(support):
            near = _near(support)
            one, pieces = self._select(near), support.select(near).pieces()
            logs = (one._log_joint(pieces) + one._log_heights(pieces.shell)[:, None]).flatten(1)
            label = choose(logs, uniform[near, 0].double())
            component, piece = label // pieces.low.shape[1], label % pieces.low.shape[1]
            low, high = (side.gather(1, piece[:, None]) for side in (pieces.low, pieces.high))
            x[near] = one.mixture.drawn(component, uniform[near, 1], Gaps(low, high))
        return x

    def _log_factor(self, x: Tensor, support: Support) -> Tensor:
        """Ln of h(x) over its mean under q; 0 where there are no shells."""
        factor = torch.zeros_like(x, dtype=torch.float64)
        if not _has_shells(support):
            return factor
        near = _near(support)
        one, there = self._select(near), support.select(near)
        pieces = there.pieces()
        log_q = one._log_joint(pieces).logsumexp(1)
        mean = (log_q + one._log_heights(pieces.shell)).logsumexp(1) - log_q.logsumexp(1)
        here = one._log_heights(there.shell(x[near, None].double()).clamp(min=1))[:, 0]
        return factor.index_add(0, near, here - mean)

    def _log_joint(self, pieces: Pieces) -> Tensor:
        """Ln of weight and probability of each component in each piece, shape (B, K, P); none inside of arcs."""
        masses = self.mixture.log_masses(Gaps(pieces.low, pieces.high))
        inside = (pieces.shell == 0).any(2)
        joint: Tensor = self.mixture.logits.log_softmax(1)[..., None] + masses
        return joint.masked_fill(inside[:, None], -math.inf)

    def _log_heights(self, shell: Tensor) -> Tensor:
        """Ln h, shape (B, P)."""
        none = torch.zeros_like(self.log_heights[..., :1])
        steps = torch.cat([none, self.log_heights, none], dim=2)[:, : shell.shape[2]]
        return steps[:, None].expand(-1, shell.shape[1], -1, -1).gather(3, shell[..., None])[..., 0].sum(2)

    def _select(self, rows: Tensor) -> "SteppedMixture":
        return SteppedMixture(TruncatedMixture(*(one[rows] for one in self.mixture)), self.log_heights[rows])


def _has_shells(support: Support) -> TypeGuard[Circle]:
    return isinstance(support, Circle) and support.shells is not None


def _near(support: Circle) -> Tensor:
    """Rows that have shells."""
    assert support.shells is not None
    return (support.shells > 0).flatten(1).any(1).nonzero()[:, 0]
