r"""Stochastic samplers.

The reverse-time equation (arXiv:2011.13456, Eq. 6), with g^2 = 2 sigma^2 (d/dt) ln(sigma / alpha),

    dx = [ velocity - g^2 score / 2 ] dt + g dw,      score = -eps^ / sigma,

has the marginals of the path for exact scores. `EulerMaruyama` solves it; `Ancestral` (arXiv:2006.11239, Algorithm 2)
draws from the Gaussian q(x_s | x_t, x^) instead, which is exact for one-point data however long the step; `Mixture`
draws x as well, where its distribution is known;
`StochasticHeun` adds noise before each step of Heun's method (arXiv:2206.00364, Algorithm 2);
`PredictorCorrector` relaxes by Langevin steps before each step back (arXiv:2011.13456, Algorithms 1 and 5); `Langevin`
only does that, at one level of noise.

A Langevin step x <- x + e score + sqrt(2 e) z uses e = 2 (r sigma)^2, that is Algorithm 5's step with the norms of
noise and score replaced by their expectations, so that no row depends on another. On a Gaussian of variance S it
settles at S / (1 - e / 2S) instead of S, at most a share r^2 / (1 - r^2) too wide.
"""

import torch
from torch import Tensor

from cloudchamber.process.ode import Heun
from cloudchamber.process.schedule import Scales, time_of
from cloudchamber.process.step import Field, Grid, State, ddim
from cloudchamber.process.transition import transition
from cloudchamber.tensors.rng import Rng

__all__ = ["Ancestral", "EulerMaruyama", "Langevin", "Mixture", "PredictorCorrector", "StochasticHeun", "langevin_step"]

_LONG_STEP = 0.1
"""Over a step in which the signal grows more than tenfold, g^2 and x / alpha are too large to be of use: the reverse
equation then takes the Gaussian transition, and StochasticHeun steps in t."""


class Ancestral(Grid):
    """A draw from q(x_s | x_t, x^), one call.

    With a learnt variance that is used; otherwise beta~. `eta` scales the noise: 1 is the DDPM, 0 is DDIM
    (arXiv:2010.02502, Eq. 16).

    Args:
        eta: scale of the noise, from 0 to 1.
        power: see `process.step.time_grid`.
    """

    calls = 1

    def __init__(self, eta: float = 1.0, power: float = 1.0) -> None:
        super().__init__(power)
        self.eta = eta

    def step(self, field: Field, state: State, t: Tensor, s: Tensor, rng: Rng) -> State:
        """x_s = alpha_s x^ + sqrt(sigma_s^2 - eta^2 beta~) eps^ + eta sqrt(variance) z; no noise at the data.

        Args:
            field: what to follow.
            state: at t.
            t: present time.
            s: next time.
            rng: random stream.
        """
        step = transition(field.schedule(t), field.schedule(s))
        prediction = field.predict(state.x, t)
        noise = field.noise(rng, state.x)
        mean = step._replace(backward=self.eta**2 * step.backward).mean(prediction)
        if step.earlier.sigma == 0:
            return State(field.real(mean))
        spread = torch.zeros(()) if prediction.spread is None else prediction.spread.clamp(0, 1)
        deviation = (step.log_variance(spread) / 2).exp()
        return State(field.real(mean) + self.eta * deviation * noise)


class Mixture(Grid):
    """A draw from q(x_s | x_t, x) with x drawn from p(x | x_t), number by number, one call.

    For numbers that are independent of each other this is exact however long the step, where the normal distribution of
    `Ancestral` has only the right mean and variance: a number that is either filled or empty has a posterior with two
    peaks. For short steps both solve the same reverse equation, since the draw of x adds a variance of second order.
    It is for networks that know p(x | x_t), such as `process.spike_slab`. Corrections to a distribution of single
    numbers are known only to first order, so the last step blurs them by about sigma(t) / alpha(t): the steps become
    shorter towards the data.

    Args:
        power: see `process.step.time_grid`.
    """

    calls = 1

    def __init__(self, power: float = 2.0) -> None:
        super().__init__(power)

    def step(self, field: Field, state: State, t: Tensor, s: Tensor, rng: Rng) -> State:
        """x_s = mean of q(x_s | x_t, x) + sqrt(beta~) z; x itself at the data.

        Args:
            field: what to follow.
            state: at t.
            t: present time.
            s: next time.
            rng: random stream.
        """
        step = transition(field.schedule(t), field.schedule(s))
        drawn, noise = field.draw(state.x, t, rng), field.noise(rng, state.x)
        deviation = (step.log_variance(torch.zeros(())) / 2).exp() if step.earlier.sigma > 0 else torch.zeros(())
        return State(field.real(step.mean(drawn) + deviation * noise))


class EulerMaruyama(Grid):
    """First order in the step, one call."""

    calls = 1

    def step(self, field: Field, state: State, t: Tensor, s: Tensor, rng: Rng) -> State:
        """x_s = x_t + (s - t) (velocity - g^2 score / 2) + g sqrt(t - s) z; no noise at the data.

        Args:
            field: what to follow.
            state: at t.
            t: present time.
            s: next time.
            rng: random stream.
        """
        now, to = field.schedule(t), field.schedule(s)
        if now.alpha < _LONG_STEP * to.alpha:
            return Ancestral().step(field, state, t, s, rng)
        prediction = field.predict(state.x, t)
        rate = 2 * now.sigma * (now.d_sigma - now.sigma * now.d_alpha / now.alpha)
        drift = prediction.velocity(now) + rate / now.sigma * prediction.eps / 2
        noise = field.noise(rng, state.x)
        width = torch.sqrt(rate * (t - s)) if to.sigma > 0 else torch.zeros(())
        return State(field.real(state.x + (s - t) * drift) + width * noise)


class StochasticHeun(Grid):
    """EDM's sampler: noise is raised by a factor 1 + gamma, then Heun's method in sigma / alpha; two calls.

    Args:
        gamma: relative increase of the noise, min(S_churn / steps, sqrt(2) - 1) in the notation of the paper.
        inflation: standard deviation S_noise of the added noise.
        low: raise the noise only above this sigma / alpha.
        high: raise the noise only below this sigma / alpha.
        power: see `process.step.time_grid`.
    """

    calls = 2

    def __init__(
        self, gamma: float = 0.1, inflation: float = 1.0, low: float = 0.0, high: float = 1e9, power: float = 1.0
    ) -> None:
        super().__init__(power)
        self.gamma, self.inflation, self.low, self.high = gamma, inflation, low, high

    def step(self, field: Field, state: State, t: Tensor, s: Tensor, rng: Rng) -> State:
        """Raise the noise, then step.

        Args:
            field: what to follow.
            state: at t.
            t: present time.
            s: next time.
            rng: random stream.
        """
        x, t = self._raise(field, state.x, t, field.noise(rng, state.x))
        now, to = field.schedule(t), field.schedule(s)
        if now.alpha < _LONG_STEP * to.alpha:
            return Heun().step(field, State(x), t, s, rng)
        first = field.predict(x, t)
        second = field.predict(field.real(ddim(first, to)), s)
        slope = (first.eps + second.eps) / 2
        return State(field.real(to.alpha * (x / now.alpha + (to.ratio - now.ratio) * slope)))

    def _raise(self, field: Field, x: Tensor, t: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """State and time with more noise."""
        now = field.schedule(t)
        if now.alpha == 0 or not self.low <= now.ratio <= self.high:
            return x, t
        later = torch.clamp(time_of(field.schedule, (1 + self.gamma) * now.ratio), max=field.span.high)
        step = transition(field.schedule(later), now)
        added = torch.sqrt(step.forward.clamp(min=0)) * self.inflation
        return step.later.alpha / now.alpha * x + added * noise, later


class PredictorCorrector(Grid):
    """Langevin steps at each time, then one step of another sampler.

    Args:
        corrections: Langevin steps at each time.
        r: step size in units of the noise.
        power: see `process.step.time_grid`.
    """

    def __init__(self, corrections: int = 1, r: float = 0.16, power: float = 1.0) -> None:
        super().__init__(power)
        self.corrections, self.r, self.predictor = corrections, r, EulerMaruyama()

    @property
    def calls(self) -> int:
        """Predictions that one step asks for."""
        return self.corrections + self.predictor.calls

    def step(self, field: Field, state: State, t: Tensor, s: Tensor, rng: Rng) -> State:
        """Correct at t, then predict at s.

        Args:
            field: what to follow.
            state: at t.
            t: present time.
            s: next time.
            rng: random stream.
        """
        x = state.x
        for _ in range(self.corrections):
            x = langevin_step(field, x, t, self.r, rng)
        return self.predictor.step(field, State(x), t, s, rng)


class Langevin:
    """Langevin dynamics at one level of noise, from that noise alone; one call a step.

    It forgets its start slowly where the data are wide in units of the level, and hardly ever crosses between modes:
    what the other samplers are for.

    Args:
        level: sigma / alpha at which it runs.
        r: step size in units of the noise.
    """

    calls = 1
    finishes = False

    def __init__(self, level: float = 0.2, r: float = 0.3) -> None:
        self.level, self.r = level, r

    def times(self, field: Field, steps: int) -> Tensor:
        """The time of the level, again and again, shape (steps + 1,).

        Args:
            field: what is followed.
            steps: number of steps.
        """
        t = time_of(field.schedule, torch.tensor(self.level, dtype=torch.float64))
        return t.clamp(field.span.low, field.span.high).expand(steps + 1)

    def step(self, field: Field, state: State, t: Tensor, s: Tensor, rng: Rng) -> State:
        """One Langevin step.

        Args:
            field: what to follow.
            state: at t.
            t: the time of the level.
            s: not used.
            rng: random stream.
        """
        return State(langevin_step(field, state.x, t, self.r, rng))


def langevin_step(field: Field, x: Tensor, t: Tensor, r: float, rng: Rng) -> Tensor:
    """X + e score + sqrt(2 e) z with e = 2 (r sigma)^2.

    Args:
        field: what to follow.
        x: shape (B, ...).
        t: time at which the score is taken.
        r: step size in units of the noise.
        rng: random stream.
    """
    at: Scales = field.schedule(t)
    size = 2 * (r * at.sigma) ** 2
    return x + field.real(size * field.predict(x, t).score(at)) + torch.sqrt(2 * size) * field.noise(rng, x)
