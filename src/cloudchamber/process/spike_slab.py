r"""Networks that correct the best guess from one number alone, for data that are mostly one constant.

Each number x of a row is either the constant e (the spike, empty) or drawn from a density of its own (the slab), here a
mixture of normal distributions N(v_m, tau^2) with weights w_m that add up to the probability p of being filled. Given
x_t = alpha x + sigma eps alone, with k = alpha tau^2 / u and u = sigma^2 + alpha^2 tau^2, Bayes' theorem gives

    odds of filled    o = sum_m w_m N(x_t; alpha v_m, u) / [ (1 - p) N(x_t; alpha e, sigma^2) ]
    mean if filled    g = k x_t + (1 - k alpha) <v>,     <v> the mean over components by their share r_m in the sum
    variance          d^2 = tau^2 sigma^2 / u + (1 - k alpha)^2 ( <v^2> - <v>^2 ).

The other numbers of the row change the odds by a factor and the density by one, exp(l x) to the first order of its
logarithm. With l = F_1 / d this moves the mean by d F_1, so

    x^ = e + S( ln o + F_2 ) ( g - e + d F_1 ),      S(a) = 1 / (1 + exp(-a)),

and draws and likelihoods use the density itself (`process.slab`).

With F = 0 this is the exact denoiser of independent numbers, so that all distributions of single numbers are right
before the training begins, and what is certain (at low noise: nearly everything) need not be learnt. The network is
shown (x_t - alpha e) / q, ln o and S(ln o) (g - e), in units near one.

Numbers may have rivals: of a column of pixels exactly one may be filled. Then by Bayes' theorem the odds of one number
are its own odds over the sum of those of the others, which a network would have to find by adding up exponentials from
all over the image. So with rivals along a dimension it is also shown ln O = ln sum_{others} o, and says with G how far
they exclude each other,

    x^ = e + S( ln o + F_2 - G ln O ) ( g - e + d F_1 ).

G = 0 are independent numbers, and G = 1 with F_2 = 0 is exactly one of them, for small prior probabilities.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from cloudchamber.process.denoise import Denoiser, Target, scales_at
from cloudchamber.process.objective import Times, masked_sum, noised, uniform
from cloudchamber.process.schedule import Scales, Schedule
from cloudchamber.process.slab import Slab
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["Known", "Likelihood", "Marginals", "SpikeSlab", "log_odds_of_others"]

_LOGIT_UNIT = 10.0
_LARGEST_LOGIT = 40.0
_LEAST_DEVIATION = 1e-3
_LARGEST_RIVAL = 15.0
"""A logit above it is certain; in double precision the odds of the others are then still found by subtraction."""
_LEAST_ODDS = 1e-6


class Marginals(nn.Module):
    """Spike and slab of every number of a row.

    Args:
        spike: the constant e.
        centres: v_m, shape (M,).
        width: tau, positive.
        weights: w_m, positive, with sums below one over the last dimension, shape (..., M).
        slab: from which filled numbers are drawn, if it is known more finely than by the components here, which are
            all looked at for every number; these components by default.
    """

    centres: Tensor
    log_weights: Tensor
    log_empty: Tensor

    def __init__(
        self,
        spike: float,
        centres: Tensor,
        width: float,
        weights: Tensor,
        *,
        slab: Slab | None = None,
    ) -> None:
        super().__init__()
        self.spike, self.width, self.slab = spike, width, slab or Slab(centres, width, weights)
        for name, value in (
            ("centres", torch.stack([centres, centres.square()], dim=1)),
            ("log_weights", weights.log()),
            ("log_empty", torch.log1p(-weights.sum(-1))),
        ):
            self.register_buffer(name, value.float(), persistent=False)

    def posterior(self, x_t: Tensor, at: Scales) -> tuple[Tensor, Tensor, Tensor]:
        """Ln o, g and d, each of the shape of x_t.

        Args:
            x_t: shape (B, ...).
            at: scales that multiply rows, sigma > 0.
        """
        alpha, sigma = at.alpha.float(), at.sigma.float()
        u = sigma**2 + (alpha * self.width) ** 2
        k = alpha * self.width**2 / u
        v, squares = self.centres.unbind(1)
        wide_alpha, wide_u = alpha[..., None], u[..., None]
        offset = -(wide_alpha**2) * squares / (2 * wide_u)
        joint = torch.addcmul(self.log_weights + offset, x_t[..., None], wide_alpha / wide_u * v)
        total = joint.logsumexp(-1)
        mean, square = ((joint - total[..., None]).exp() @ self.centres).unbind(-1)
        to_spike = (x_t - alpha * self.spike).square() / (2 * sigma**2)
        logit = total - x_t.square() / (2 * u) + to_spike + (sigma**2 / u).log() / 2 - self.log_empty
        left = 1 - k * alpha
        variance = (self.width * sigma) ** 2 / u + left**2 * (square - mean**2).clamp(min=0)
        return logit, k * x_t + left * mean, variance.sqrt()


class Known(NamedTuple):
    """What is known of every number, each of the shape of x_t.

    Attributes:
        logit: ln o + F_2 - G ln O.
        mean: g + d F_1, if it is filled.
        slope: F_1 / d, of the logarithm of what the others say if it is filled.
        rest: what else the network predicts.
    """

    logit: Tensor
    mean: Tensor
    slope: Tensor
    rest: Tensor

    @property
    def filled(self) -> Tensor:
        """Probability of being filled."""
        return self.logit.sigmoid()


class SpikeSlab(nn.Module):
    """A network around the best guess from each number alone; what else it predicts is passed on.

    Args:
        net: from three times the features to F_1, F_2 and what else there is, in the last dimension; with rivals from
            four times the features, and G stands before what else there is.
        schedule: the path.
        target: what is predicted.
        marginals: of the data.
        deviation: root mean square of x - e over all numbers.
        rivals: dimension of a batch along which numbers may exclude each other; None for none.
    """

    def __init__(
        self,
        net: nn.Module,
        schedule: Schedule,
        target: Target,
        marginals: Marginals,
        deviation: float,
        *,
        rivals: int | None = None,
    ) -> None:
        super().__init__()
        self.net, self.schedule, self.target = net, schedule, target
        self.marginals, self.deviation, self.rivals = marginals, deviation, rivals

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The predicted target, and what else the network predicts.

        Args:
            x: x_t, shape (B, ..., F).
            t: shape (B,).
            given: conditions.
        """
        known, at = self.known(x, t, given), scales_at(self.schedule, t, x)
        spike = self.marginals.spike
        data = spike + known.filled * (known.mean - spike)
        a, b = (value.to(x.dtype) for value in self.target(at))
        noise = (x - at.alpha.to(x.dtype) * data) / at.sigma.to(x.dtype)
        return torch.cat([a * data + b * noise, known.rest], dim=-1)

    def draw(self, x: Tensor, t: Tensor, given: Batch, rng: Rng) -> Tensor:
        """Data drawn number by number: the spike, or a number of the slab given x_t, tilted as the network says.

        With F_1 = 0 a filled number is a draw of its posterior, which is a mixture and not normal.

        Args:
            x: x_t, shape (B, ..., F).
            t: shape (B,).
            given: conditions.
            rng: random stream.
        """
        known = self.known(x, t, given)
        chance, size = rng.uniform(*x.shape[1:]).to(x), rng.normal(*x.shape[1:]).to(x)
        filled = chance < known.filled
        component = rng.uniform(*x.shape[1:]).to(x)[filled]
        at = Scales(*(scale.to(x.dtype).expand_as(x)[filled] for scale in scales_at(self.schedule, t, x)))
        place = filled.nonzero(as_tuple=True)[1:]
        slab = self.marginals.slab
        values = slab.mirrored(slab.posterior(x[filled], at, place).draw(known.slope[filled], component, size[filled]))
        out = torch.full_like(x, self.marginals.spike)
        out[filled] = values.to(out)
        return out

    def known(self, x: Tensor, t: Tensor, given: Batch) -> "Known":
        """The distribution of every number.

        Args:
            x: x_t, shape (B, ..., F).
            t: shape (B,).
            given: conditions.
        """
        at = Scales(*(scale.to(x.dtype) for scale in scales_at(self.schedule, t, x)))
        spike = self.marginals.spike
        with torch.autocast(x.device.type, enabled=False):
            logit, mean, deviation = self.marginals.posterior(x, at)
            q = torch.sqrt(at.sigma**2 + (at.alpha * self.deviation) ** 2)
            shown = [
                (x - at.alpha * spike) / q,
                logit.clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT) / _LOGIT_UNIT,
                logit.sigmoid() * (mean - spike),
            ]
            others = None if self.rivals is None else log_odds_of_others(logit, self.rivals)
        if others is None:
            shift, odds, rest = self._said(shown, t, given, 2)
        else:
            shift, odds, exclusion, rest = self._said([*shown, others / _LOGIT_UNIT], t, given, 3)
            odds = odds - exclusion * others
        return Known(logit + odds, mean + deviation * shift, shift / deviation.clamp(min=_LEAST_DEVIATION), rest)

    def _said(self, shown: list[Tensor], t: Tensor, given: Batch, parts: int) -> tuple[Tensor, ...]:
        """What the network says: so many parts of the size of x, and what else there is."""
        size = shown[0].shape[-1]
        out = self.net(torch.cat(shown, dim=-1), t, given).to(shown[0].dtype)
        return tuple(out.tensor_split([size * (part + 1) for part in range(parts)], dim=-1))


def log_odds_of_others(logit: Tensor, along: int) -> Tensor:
    """Ln of the sum of the odds of all other numbers along a dimension, of the shape of `logit`.

    Args:
        logit: ln o.
        along: the dimension.

    >>> log_odds_of_others(torch.tensor([[0.0, 1.0]]), 1).tolist()
    [[1.0, 0.0]]
    """
    odds = logit.double().clamp(max=_LARGEST_RIVAL).exp()
    return (odds.sum(along, keepdim=True) - odds).clamp(min=_LEAST_ODDS).log().to(logit)


class Likelihood:
    """Minus the log-likelihood of the data number by number at a noisy x_t, for a `SpikeSlab` network.

    An empty number costs -ln(1 - S), a filled one -ln S and what its value costs beyond what it does by itself
    (`process.slab`). In nats all times count alike, where the squared error of eps weighs what is nearly certain by its
    small sigma: the odds of rare numbers, in which the correlations are, are learnt sooner.

    Args:
        times: how the time of each row is drawn.
    """

    def __init__(self, times: Times = uniform) -> None:
        self.times = times

    def __call__(self, denoiser: Denoiser, batch: Batch, rng: Rng) -> Tensor:
        """One loss for each row, shape (B,).

        Args:
            denoiser: what is trained.
            batch: data x.
            rng: random stream.
        """
        net = denoiser.net
        assert isinstance(net, SpikeSlab)
        given = noised(denoiser.schedule, batch, self.times(rng, denoiser.schedule), rng.normal(*batch.x.shape[1:]))
        known, filled = net.known(given.x_t, given.t, batch), batch.x > net.marginals.spike
        cost = functional.softplus(torch.where(filled, -known.logit, known.logit))
        at = Scales(*(s.to(batch.x).expand_as(cost)[filled] for s in scales_at(denoiser.schedule, given.t, batch.x)))
        place = filled.nonzero(as_tuple=True)[1:]
        alone = net.marginals.slab.posterior(given.x_t[filled], at, place)
        told = torch.zeros_like(cost).masked_scatter(filled, alone.log_ratio(batch.x[filled], known.slope[filled]))
        return masked_sum(cost - told, batch.mask) / batch.x.shape[-1]
