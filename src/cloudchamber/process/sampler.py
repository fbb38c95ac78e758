r"""From noise to data with a budget of network calls.

A sampler is chosen by name. Its steps divide the span of the path; calls that remain after steps of several calls are
spent on last Euler steps, and where the path ends with noise left over (sigma > 0) the last call replaces the state by
the data predicted from it (arXiv:2011.13456, App. G), unless the sampler's last step knows them already.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.process.average import Jump
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.ode import DDIM, RK4, AdamsBashforth, DDIMLast, DDIMMidpoint, DPMSolver, Euler, Heun, Midpoint
from cloudchamber.process.sde import Ancestral, EulerMaruyama, Langevin, Mixture, PredictorCorrector, StochasticHeun
from cloudchamber.process.step import Field, Sampler, State
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

__all__ = ["SAMPLERS", "make_sampler", "sample"]

SAMPLERS: Mapping[str, Callable[[], Sampler]] = {
    "euler": Euler,
    "heun": Heun,
    "midpoint": Midpoint,
    "rk4": RK4,
    "ddim": DDIM,
    "ddim-last": DDIMLast,
    "ddim-midpoint": DDIMMidpoint,
    "dpm++2m": DPMSolver,
    "adams-bashforth": AdamsBashforth,
    "ancestral": Ancestral,
    "mixture": Mixture,
    "euler-maruyama": EulerMaruyama,
    "stochastic-heun": StochasticHeun,
    "predictor-corrector": PredictorCorrector,
    "langevin": Langevin,
    "jump": Jump,
}


class _Step(NamedTuple):
    sampler: Sampler
    t: Tensor
    s: Tensor


def make_sampler(name: str) -> Sampler:
    """A sampler with its default settings.

    Args:
        name: a name in `SAMPLERS`.

    Raises:
        InputError: if there is none of this name.
    """
    if name not in SAMPLERS:
        raise InputError(f"the sampler '{name}' is unknown; choose one of {', '.join(SAMPLERS)}.")
    return SAMPLERS[name]()


def sample(denoiser: Denoiser, given: Batch, rng: Rng, calls: int, sampler: str | Sampler = "heun") -> Tensor:
    """Data from noise with a budget of network calls.

    Args:
        denoiser: what to follow.
        given: conditions; its x only gives the shape.
        rng: random stream.
        calls: network calls to spend, all of them.
        sampler: a name in `SAMPLERS`, or a sampler.

    Returns:
        Shape (B, ...), zero on padding.

    Raises:
        InputError: if the sampler is unknown or the calls do not suffice.
    """
    if calls < denoiser.calls:
        raise InputError(f"--calls {calls} is too few: a sample needs at least {denoiser.calls}.")
    field = Field(denoiser, given)
    solver = make_sampler(sampler) if isinstance(sampler, str) else sampler
    left_over = bool(field.schedule(solver.times(field, 1)[-1]).sigma > 0)
    budget = calls // denoiser.calls
    finished = left_over and solver.finishes and budget % solver.calls == 0
    steps = list(_plan(solver, field, budget - (left_over and not finished)))
    start = steps[0].t if steps else solver.times(field, 1)[0]
    state = State(field.schedule(start).sigma * field.noise(rng, given.x))
    for step in steps:
        state = step.sampler.step(field, state, step.t, step.s, rng)
    if finished and state.memory is not None:
        return field.real(state.memory.x)
    return field.real(field.predict(state.x, steps[-1].s if steps else start).x) if left_over else state.x


def _plan(solver: Sampler, field: Field, calls: int) -> Iterator[_Step]:
    full, rest = divmod(calls, solver.calls)
    for number, (t, s) in enumerate(pairwise(solver.times(field, full + rest))):
        yield _Step(solver if number < full else Euler(), t, s)
