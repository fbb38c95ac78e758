r"""How often a list of species is lawful at once, as a function of the electron.

Lists are drawn once at many electrons, and A(e) is fitted to which of them are lawful by maximum likelihood,

    logit A = b . f(u),    f: all products of the electron's scores u = (u_1, u_2) up to the third degree,

by Newton's method with a weak Gaussian prior on b, which keeps the fit finite where every list is lawful. The error of
ln A is (1 - A) sqrt(f . C f) with the covariance C of b, the inverse of the second derivatives. It is that of the
finite number of draws; that the form is good enough can be tested with more draws.
"""

from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cloudchamber.generate.species import SpeciesStage
from cloudchamber.physics.dis import dis_variables
from cloudchamber.tensors.rng import EventRng

__all__ = ["AcceptanceModel", "LogAcceptance"]

_DEGREE = 3
_WIDER = 1.3
"""Spread of the electrons' scores at which lists are drawn, in units of that of the sample."""
_PRIOR = 0.01
_STEPS = 30
_BLOCK = 1_024
_STAGE = 6
"""Of the random streams; generation uses 0 to 3."""
_REACH = 4.0
"""Scores beyond are those of the edge: polynomials go astray there."""


class LogAcceptance(NamedTuple):
    """Ln A and its standard error, each of shape (B,)."""

    value: Tensor
    error: Tensor


class AcceptanceModel:
    """A(e), fitted.

    Args:
        coefficients: b, shape (10,).
        covariance: C, shape (10, 10).
    """

    def __init__(self, coefficients: Tensor, covariance: Tensor) -> None:
        self.coefficients, self.covariance = coefficients, covariance

    @classmethod
    def fit(cls, stage: SpeciesStage, draws: int, seed: int) -> "AcceptanceModel":
        """Draw lists once at many electrons, and fit.

        Args:
            stage: draws the lists.
            draws: how many.
            seed: names the random streams.
        """
        scores, lawful = [], []
        for start in range(0, draws, _BLOCK):
            numbers = range(start, min(start + _BLOCK, draws))
            rng = EventRng(seed, numbers, _STAGE, stage.device)
            u = (_WIDER * rng.normal(2)).clamp(-_REACH, _REACH).cpu()
            electron = stage.representation.electron.decode(u, np.zeros(len(u)))
            W = np.sqrt(np.maximum(dis_variables(electron, stage.representation.beams).W2, 1.0))
            scores.append(u)
            lawful.append(stage.attempt(u, W, rng).lawful)
        return cls.of(torch.cat(scores), torch.cat(lawful))

    @classmethod
    def of(cls, scores: Tensor, lawful: Tensor) -> "AcceptanceModel":
        """The fit to what was drawn.

        Args:
            scores: of electrons, shape (n, 2).
            lawful: whether the list drawn there was lawful, shape (n,).
        """
        f, target = _features(scores), lawful.double()
        b = torch.zeros(f.shape[1], dtype=torch.float64)
        prior = _PRIOR * torch.eye(len(b), dtype=torch.float64)
        curvature = prior
        for _ in range(_STEPS):
            A = torch.sigmoid(f @ b)
            curvature = f.T @ (f * (A * (1 - A))[:, None]) + prior
            b = b + torch.linalg.solve(curvature, f.T @ (target - A) - prior @ b)
        return cls(b, torch.linalg.inv(curvature))

    def log_prob(self, scores: Tensor) -> LogAcceptance:
        """Ln A at some electrons.

        Args:
            scores: shape (B, 2).
        """
        f = _features(scores)
        logit = f @ self.coefficients
        spread = torch.einsum("bi,ij,bj->b", f, self.covariance, f).clamp(min=0).sqrt()
        return LogAcceptance(torch.nn.functional.logsigmoid(logit), torch.sigmoid(-logit) * spread)


def _features(scores: Tensor) -> Tensor:
    """All products of the scores up to the third degree, shape (n, 10)."""
    u = scores.double().clamp(-_REACH, _REACH)
    columns = [torch.ones(len(u), dtype=torch.float64)]
    for degree in range(1, _DEGREE + 1):
        columns += [u[:, list(chosen)].prod(1) for chosen in combinations_with_replacement(range(2), degree)]
    return torch.stack(columns, dim=1)
