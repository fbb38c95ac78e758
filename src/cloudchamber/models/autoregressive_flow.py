r"""Normalising flows of vectors, by zuko: z = f(x | c) with one feature after the other.

    affine      z_i = a_i + b_i x_i                 arXiv:1705.07057
    splines     z_i = monotone rational-quadratic   arXiv:1906.04032

where the numbers a, b and the splines are functions of the features before i and of the context c. The log-density is
that of z, unit normal or with tails, plus ln |det df/dx|, exact up to rounding. A density takes one pass through the
networks, a draw one for each feature. One affine layer already straightens ridges and funnels: anything whose mean and
width in one feature are functions of the features before it.
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cloudchamber.errors import InputError
from cloudchamber.models.ridges import Ridge, fit_ridge
from cloudchamber.process.base import Base, UnitNormal
from cloudchamber.process.likelihood import Scored
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["AutoregressiveFlow", "Warped"]

_FEWEST = 10
"""Points of a cluster that say anything of ridges."""
_SLOPE = 1e-12
"""Smallest scale of an affine map, and one over the largest."""


class Straightened(NamedTuple):
    """Scores z (B, F) and ln |det dz/dx| (B,)."""

    z: Tensor
    log_det: Tensor


class AutoregressiveFlow(nn.Module):
    """A flow of `x` given the context of a batch; the identity before training.

    Args:
        features: size F of x.
        context: size C of the context; 0 for none.
        affine: affine layers.
        splines: spline layers, between -5 and 5 and the identity beyond, after the affine ones.
        width: hidden width of their networks.
        bins: of each spline.
        base: density of z; unit normal by default.

    Raises:
        InputError: if zuko is not installed.
    """

    def __init__(
        self, features: int, context: int = 0, *, affine: int = 1, splines: int = 2, width: int = 64, bins: int = 8,
        base: Base | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.base = base or UnitNormal()
        zuko = _zuko()
        forward = torch.arange(features)
        affine_map = partial(zuko.transforms.MonotonicAffineTransform, slope=_SLOPE)
        spline_map = zuko.transforms.MonotonicRQSTransform
        kinds: list[tuple[Any, list[Any]]] = [(affine_map, [(), ()])] * affine
        kinds += [(spline_map, [(bins,), (bins,), (bins - 1,)])] * splines
        layer = partial(zuko.flows.MaskedAutoregressiveTransform, features, context, hidden_features=(width, width),
                        activation=nn.SiLU)  # fmt: skip
        self.layers = nn.ModuleList(
            layer(order=forward.flip(0) if number % 2 else forward, univariate=kind, shapes=shapes)
            for number, (kind, shapes) in enumerate(kinds)
        )
        for transform in self.layers:
            transform.hyper = _Skipped(zuko, transform, features, context)

    def start_from(self, rows: Batch) -> None:
        """Let the first layer, which must be affine, start with the ridges and funnels of given points.

        Args:
            rows: a batch, whose context is one-hot if there is one.
        """
        self.layers[0].hyper.start_from(rows)  # type: ignore[union-attr,operator]

    def straighten(self, rows: Batch) -> Straightened:
        """Scores of x.

        Args:
            rows: a batch.
        """
        z, log_det = rows.x, torch.zeros(len(rows), dtype=rows.x.dtype)
        for layer in self.layers:
            z, gained = layer(rows.context).call_and_ladj(z)
            log_det = log_det + gained
        return Straightened(z, log_det)

    def bend(self, z: Tensor, given: Batch) -> Straightened:
        """The x of scores in place of z, and ln |det dx/dz|: the inverse of `straighten`.

        Args:
            z: shape (B, F).
            given: conditions.
        """
        log_det = torch.zeros(len(z), dtype=z.dtype)
        for layer in reversed(self.layers):
            z, gained = layer(given.context).inv.call_and_ladj(z)
            log_det = log_det + gained
        return Straightened(z, log_det)

    def losses(self, rows: Batch, rng: Rng) -> Mapping[str, Tensor]:
        """Minus the log-density of each row.

        Args:
            rows: a batch.
            rng: not used.
        """
        return {"likelihood": -self._log_prob(*self.straighten(rows))}

    def sample(self, given: Batch, rng: Rng) -> Tensor:
        """New x under the conditions of a batch.

        Args:
            given: conditions; its x only gives the shape.
            rng: random stream.
        """
        return self.sample_with_log_prob(given, rng).x

    def sample_with_log_prob(self, given: Batch, rng: Rng) -> Scored:
        """New x under the conditions of a batch, with the log-density of each.

        Args:
            given: conditions; its x only gives the shape.
            rng: random stream.
        """
        with torch.no_grad():
            noise = self.base.sample(rng, given.x)
            x, log_det = self.bend(noise, given)
            return Scored(x, self._log_prob(noise, -log_det))

    def log_prob(self, rows: Batch) -> Tensor:
        """Log-density of x given the context, shape (B,).

        Args:
            rows: a batch.
        """
        with torch.no_grad():
            return self._log_prob(*self.straighten(rows))

    def _log_prob(self, z: Tensor, log_det: Tensor) -> Tensor:
        return self.base.log_prob(z) + log_det


class Warped(nn.Module):
    """A model of z = f(x) for a flow f that is trained beside it: ln q(x) = ln q(z) + ln |det dz/dx|.

    Args:
        flow: f, trained by its likelihood.
        model: of z given the context, with `losses`, `sample_with_log_prob` and `log_prob`.
    """

    def __init__(self, flow: AutoregressiveFlow, model: nn.Module) -> None:
        super().__init__()
        self.flow, self.model = flow, model

    def losses(self, rows: Batch, rng: Rng) -> Mapping[str, Tensor]:
        """Those of the flow, and those of the model at the scores.

        Args:
            rows: a batch.
            rng: random stream.
        """
        z, log_det = self.flow.straighten(rows)
        learned: Mapping[str, Tensor] = self.model.losses(_at(rows, z.detach()), rng)  # type: ignore[operator]
        return {"likelihood": -self.flow.base.log_prob(z) - log_det, **learned}

    def sample(self, given: Batch, rng: Rng) -> Tensor:
        """New x under the conditions of a batch.

        Args:
            given: conditions; its x only gives the shape.
            rng: random stream.
        """
        return self.sample_with_log_prob(given, rng).x

    def sample_with_log_prob(self, given: Batch, rng: Rng) -> Scored:
        """New x under the conditions of a batch, with the log-density of each.

        Args:
            given: conditions; its x only gives the shape.
            rng: random stream.
        """
        with torch.no_grad():
            z, log_prob = self.model.sample_with_log_prob(given, rng)  # type: ignore[operator]
            x, log_det = self.flow.bend(z, given)
            return Scored(x, log_prob - log_det)

    def log_prob(self, rows: Batch) -> Tensor:
        """Log-density of x given the context, shape (B,).

        Args:
            rows: a batch.
        """
        with torch.no_grad():
            z, log_det = self.flow.straighten(rows)
            log_prob: Tensor = self.model.log_prob(_at(rows, z)) + log_det  # type: ignore[operator]
            return log_prob


def _at(rows: Batch, x: Tensor) -> Batch:
    return Batch(x, rows.weight, rows.context)


class _Skipped(nn.Module):
    """A masked network beside masked linear and quadratic maps, all zero before training.

    These go on beyond the data as the network does not: the width of a funnel is exactly log-linear, and a ridge is
    bent, to lowest order, as a parabola. Squares only move the first of the numbers of a feature, its place.

    Args:
        zuko: the package.
        transform: a masked autoregressive one.
        features: size F of x.
        context: size C of the context, whose entries have maps of their own.
    """

    mask: Tensor

    def __init__(self, zuko: Any, transform: Any, features: int, context: int) -> None:  # noqa: ANN401
        super().__init__()
        total, earlier = transform.total, transform.order[:, None] > transform.order
        seen = torch.cat([earlier, torch.ones(features, context, dtype=torch.bool)], dim=1)
        self.features, self.total, self.network = features, total, transform.hyper
        self.linear = zuko.nn.MaskedLinear(seen.repeat_interleave(total, dim=0))
        for last in (self.network[-1], self.linear):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        slopes = earlier.repeat_interleave(total, dim=0)
        is_place = (torch.arange(features * total) % total == 0)[:, None]
        self.register_buffer("mask", torch.cat([slopes, slopes & is_place], dim=1))
        self.curves = nn.Parameter(torch.zeros(max(context, 1), features * total, 2 * features))

    def start_from(self, rows: Batch) -> None:
        """Ridges and funnels of given points, by least squares; for an affine map, with a one-hot context if any.

        Args:
            rows: a batch.
        """
        groups = [rows.x] if rows.context is None else [rows.x[one > 0] for one in rows.context.T]
        with torch.no_grad():
            for number, x in enumerate(groups):
                for i in range(self.features if len(x) >= _FEWEST else 0):
                    self._set(number, i, fit_ridge(x, i, -math.log(_SLOPE)), alone=rows.context is None)

    def _set(self, number: int, i: int, ridge: Ridge, *, alone: bool) -> None:
        """Take over the numbers of feature i in one entry of the context."""
        place, width, size = self.total * i, self.total * i + 1, self.features
        self.curves[number, place, :i] = ridge.shift[1 : 1 + i].to(self.curves)
        self.curves[number, place, size : size + i] = ridge.shift[1 + i :].to(self.curves)
        self.curves[number, width, :i] = ridge.log_scale[1:].to(self.curves)
        constants = self.linear.bias if alone else self.linear.weight[:, size + number]
        constants[place], constants[width] = ridge.shift[0], ridge.log_scale[0]

    def forward(self, x: Tensor) -> Tensor:
        """The sum of all.

        Args:
            x: features and context, shape (B, F + C).
        """
        values, context = x[:, : self.features], x[:, self.features :]
        of_rows = context if context.shape[1] else torch.ones_like(x[:, :1])
        curves = torch.einsum("bc,cof->bof", of_rows, self.curves * self.mask)
        bent = torch.einsum("bof,bf->bo", curves, torch.cat([values, values.square()], dim=1))
        out: Tensor = self.network(x) + self.linear(x) + bent
        return out


def _zuko() -> Any:  # noqa: ANN401
    try:
        import zuko
        import zuko.nn
        import zuko.transforms
    except ImportError:
        raise InputError("these flows need the package zuko; install '.[mcmc]'.") from None
    return zuko
