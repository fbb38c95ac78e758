r"""A model in the coordinates of a mixture's components.

Modes of a density are far apart and differ in size and shape, which is hard for a network and easy for a mixture. So a
point is drawn by component, k ~ w_k, z ~ q(z | k), x = m_k + L_k z, with the density

    q(x, k) = w_k q(z | k) / |det L_k|,    z = L_k^-1 (x - m_k),

where the model learns q(z | k), the deviation of a mode from normal, and may have tails of its own; a broad component
of the mixture is left as it is. The labels of given points are drawn by the responsibilities r(k | x) of the mixture.
"""

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from cloudchamber.mcmc.proposal import Drawn, Model, scored_draws
from cloudchamber.mcmc.state import Mark
from cloudchamber.models.autoregressive_flow import AutoregressiveFlow, Warped
from cloudchamber.models.mixture import TailedMixture
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng, RowRng

__all__ = ["Clustered", "cluster_rows"]


class Straight(NamedTuple):
    """Coordinates z (B, D), and ln(r(k | x) |det dx/dz|) (B,)."""

    z: Tensor
    log_weight: Tensor


class Clustered:
    """The proposal.

    Args:
        mixture: the components, the broad one last.
        model: of z, given the component as a one-hot context of size K; None for the mixture itself.
    """

    def __init__(self, mixture: TailedMixture, model: nn.Module | None = None) -> None:
        self.mixture, self.model = mixture, model
        self._warp: AutoregressiveFlow | None = model.flow if isinstance(model, Warped) else None

    def draw(self, rng: Rng) -> Drawn:
        """One point for each row of the random numbers.

        Args:
            rng: random stream.
        """
        mixture = self.mixture
        label = mixture.draw_labels(rng)
        z = mixture.standard(label, rng)
        learned = self._log_learned(z, label)
        if self.model is not None:
            drawn, log_q = scored_draws(cast(Model, self.model), one_hot_rows(z, label, mixture), rng)
            normal = label < mixture.components - 1
            z, learned = torch.where(normal[:, None], drawn.double(), z), torch.where(normal, log_q.double(), learned)
        x = mixture.place(z, label)
        return Drawn(x, Mark(label, self._log_q(x, label, learned)))

    def score(self, x: Tensor, rng: Rng) -> Mark:
        """Labels of points and ln q.

        Args:
            x: shape (B, D).
            rng: random stream.
        """
        mixture = self.mixture
        label = mixture.responsible(x, rng)
        z = mixture.scores(x, label)
        learned = self._log_learned(z, label)
        if self.model is not None:
            log_q = cast(Model, self.model).log_prob(one_hot_rows(z, label, mixture)).detach().double()
            learned = torch.where(label < mixture.components - 1, log_q, learned)
        return Mark(label, self._log_q(x, label, learned))

    def label(self, x: Tensor, rng: Rng) -> Tensor:
        """Components of points, drawn by r(k | x), shape (B,).

        Args:
            x: shape (B, D).
            rng: random stream.
        """
        return self.mixture.responsible(x, rng)

    def straighten(self, x: Tensor, label: Tensor) -> Straight:
        """Coordinates in which components are about unit normal: z, and where the model has a warp, that of z.

        Args:
            x: shape (B, D).
            label: shape (B,).
        """
        z, log_det = self.mixture.scores(x, label), -self.mixture.log_scale(label)
        if self._warp is not None:
            with torch.no_grad():
                warped, gained = self._warp.straighten(one_hot_rows(z, label, self.mixture))
            z, log_det = warped.double(), log_det + gained.double()
        return Straight(z, self._log_share(x, label) - log_det)

    def bend(self, z: Tensor, label: Tensor) -> Tensor:
        """Points of coordinates: the inverse of `straighten`.

        Args:
            z: shape (B, D).
            label: shape (B,).
        """
        if self._warp is not None:
            with torch.no_grad():
                z = self._warp.bend(z.float(), one_hot_rows(z, label, self.mixture))[0].double()
        return self.mixture.place(z, label)

    def _log_learned(self, z: Tensor, label: Tensor) -> Tensor:
        """Ln q(z | k) of the mixture itself, shape (B,)."""
        mixture = self.mixture
        joint = mixture.log_joint(mixture.place(z, label)).gather(1, label[:, None])[:, 0]
        return joint - mixture.weights[label].log() + mixture.log_scale(label)

    def _log_q(self, x: Tensor, label: Tensor, learned: Tensor) -> Tensor:
        """Ln q(x, k) - ln r(k | x)."""
        mixture = self.mixture
        return mixture.weights[label].log() - mixture.log_scale(label) + learned - self._log_share(x, label)

    def _log_share(self, x: Tensor, label: Tensor) -> Tensor:
        """Ln r(k | x), shape (B,)."""
        return self.mixture.log_joint(x).log_softmax(1).gather(1, label[:, None])[:, 0]


def one_hot_rows(z: Tensor, label: Tensor, mixture: TailedMixture) -> Batch:
    """Scores with their components as the context, in float32.

    Args:
        z: shape (B, D).
        label: shape (B,); the broad component counts as the first, and what is said of it is not used.
        mixture: the components.
    """
    size = mixture.components - 1
    context = functional.one_hot(label.remainder(size), size).float()
    return Batch(z.float(), torch.ones(len(z)), context)


def cluster_rows(x: Tensor, mixture: TailedMixture, seed: tuple[int, ...]) -> Batch:
    """What the model learns from: the scores of points in components drawn by their responsibilities.

    Args:
        x: shape (n, D).
        mixture: the components; rows of the broad one are left out.
        seed: names the random stream.
    """
    label = mixture.responsible(x, RowRng(seed, len(x)))
    kept = (label < mixture.components - 1).nonzero()[:, 0]
    return one_hot_rows(mixture.scores(x[kept], label[kept]), label[kept], mixture)
