r"""Ridges and funnels by least squares: one feature given those before it, in closed form.

    s_i(x) x_i + t_i(x) ~ N(0, 1),   ln s_i linear and t_i quadratic in the features before i

This is what a flow has to know beyond the points it was fitted to, and what gradients find slowly: a ridge of relative
width 1/50 needs coefficients of order 50. Whatever the Bayesian information criterion does not ask for is left out. The
width of a funnel hides its place and a bent place hides the width, so both orders are tried: place first, or width.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Ridge", "fit_ridge"]

_MEAN_LOG_CHI2 = -1.2704
"""Of the logarithm of chi^2 with one degree of freedom."""
_LEAST = 10
"""Points for each number that is fitted."""


class Ridge(NamedTuple):
    """Numbers of s and t of one feature.

    Attributes:
        log_scale: of 1 and the features before, shape (1 + i,).
        shift: of 1, the features before and their squares, shape (1 + 2 i,).
    """

    log_scale: Tensor
    shift: Tensor


class _Tried(NamedTuple):
    merit: float
    ridge: Ridge


def fit_ridge(x: Tensor, feature: int, bound: float = math.inf) -> Ridge:
    """The numbers of one feature.

    Args:
        x: points, shape (n, F).
        feature: i.
        bound: b, if ln s enters by a number p as p / (1 + |p| / b); the numbers are then those of p.
    """
    y, before = x[:, feature].double(), x[:, :feature].double()
    ones = torch.ones(len(x), 1, dtype=torch.float64)
    lines, curves = torch.cat([ones, before], 1), torch.cat([ones, before, before**2], 1)
    enough = len(x) >= _LEAST * curves.shape[1]
    residual = y - curves @ _least_squares(curves, y) if enough else y
    tried = []
    for source in (None, y, residual)[: 3 if enough else 1]:
        for quadratic in (False, True)[: 2 if enough else 1]:
            tried.append(_try(y, lines, curves if quadratic else curves[:, :1], source, bound))
    best = max(tried, key=lambda one: one.merit).ridge
    shift = torch.zeros(curves.shape[1], dtype=torch.float64)
    shift[: len(best.shift)] = best.shift
    return Ridge(best.log_scale, shift)


def _try(y: Tensor, lines: Tensor, curves: Tensor, source: Tensor | None, bound: float) -> _Tried:
    """Widths from the logarithms of squares of the source, if any, then the place; minus half of the criterion."""
    numbers = torch.zeros(lines.shape[1], dtype=torch.float64)
    if source is not None:
        squares = source.square().clamp(min=1e-30 * float(source.square().mean()) + 1e-300)
        numbers = -_least_squares(lines, squares.log() - _MEAN_LOG_CHI2) / 2
    for _ in range(2):  # the second time with the size that is left over
        p = _unbounded(numbers, bound)
        log_scale = _bounded(lines @ p, bound)
        scaled = y * log_scale.exp()
        shift = -_least_squares(curves, scaled)
        left = (scaled + curves @ shift).square().mean().sqrt().clamp(min=1e-12)
        numbers = torch.cat([numbers[:1] - left.log(), numbers[1:]])
    count = curves.shape[1] + (1 if source is None else lines.shape[1])
    merit = log_scale.sum() - (scaled + curves @ shift).square().sum() / 2 - count * math.log(len(y)) / 2
    return _Tried(float(merit), Ridge(p, shift))


def _bounded(p: Tensor, bound: float) -> Tensor:
    return p / (1 + p.abs() / bound)


def _unbounded(numbers: Tensor, bound: float) -> Tensor:
    """Numbers of p, exact for the first and to first order in the others."""
    shrink = (1 - numbers[:1].abs() / bound).clamp(min=0.05)
    return torch.cat([numbers[:1] / shrink, numbers[1:] / shrink**2])


def _least_squares(columns: Tensor, y: Tensor) -> Tensor:
    solution: Tensor = torch.linalg.lstsq(columns, y[:, None], driver="gelsd").solution[:, 0]
    return solution
