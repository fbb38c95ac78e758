"""From the name of each part to a denoiser and its objective."""

from collections.abc import Callable, Mapping

from torch import nn

from cloudchamber.process.average import AverageVelocity, Shortcut
from cloudchamber.process.denoise import TARGETS, Denoiser, EDMTarget, Scaled, Target, VarianceDenoiser
from cloudchamber.process.objective import TIMES, WEIGHTS, Objective, Regression
from cloudchamber.process.precondition import LinearGuess
from cloudchamber.process.schedule import EDM, VE, VP, CosineLogSNR, Discrete, Rectified, Schedule, SubVP
from cloudchamber.process.spike_slab import Likelihood, Marginals, SpikeSlab
from cloudchamber.process.variational import Hybrid, LossSecondMoment
from cloudchamber.recipes.config import Process

__all__ = ["SCHEDULES", "make_denoiser", "make_objective", "net_outputs", "net_times", "with_guess", "with_marginals"]

SCHEDULES: Mapping[str, Callable[[int], Schedule]] = {
    "rectified": lambda _: Rectified(),
    "cosine": lambda _: CosineLogSNR(),
    "vp": lambda _: VP(),
    "sub-vp": lambda _: SubVP(),
    "ve": lambda _: VE(),
    "edm": lambda _: EDM(),
    "ddpm-linear": Discrete.linear,
    "ddpm-cosine": Discrete.cosine,
}


def make_denoiser(process: Process, net: nn.Module) -> Denoiser:
    """A denoiser around a network.

    Args:
        process: names of the parts.
        net: with as many times and outputs as `net_times` and `net_outputs` say.
    """
    schedule = SCHEDULES[process.schedule](process.steps)
    if process.schedule in ("ve", "edm"):
        net = Scaled(net, schedule)
    if process.kind == "average":
        return AverageVelocity(net, schedule)
    return (VarianceDenoiser if process.kind == "variance" else Denoiser)(net, schedule, _target(process))


def with_guess(process: Process, net: nn.Module, mean: float, deviation: float) -> LinearGuess:
    """A network that corrects the best linear guess, for `make_denoiser`.

    Args:
        process: names of the parts.
        net: with as many times and outputs as `net_times` and `net_outputs` say.
        mean: of the data.
        deviation: standard deviation of the data.
    """
    return LinearGuess(net, SCHEDULES[process.schedule](process.steps), _target(process), mean, deviation)


def with_marginals(
    process: Process, net: nn.Module, marginals: Marginals, deviation: float, *, rivals: int | None = None
) -> SpikeSlab:
    """A network that corrects the best guess from single numbers, for `make_denoiser`.

    Args:
        process: names of the parts.
        net: shown three times the features, with as many outputs as `net_outputs` says and the features once more;
            with rivals it is shown the features, and gives them, once more than that.
        marginals: of the data.
        deviation: root mean square distance of the data from the spike.
        rivals: dimension of a batch along which numbers may exclude each other; None for none.
    """
    schedule, target = SCHEDULES[process.schedule](process.steps), _target(process)
    return SpikeSlab(net, schedule, target, marginals, deviation, rivals=rivals)


def _target(process: Process) -> Target:
    return EDMTarget() if process.target == "edm" else TARGETS[process.target]


def make_objective(process: Process, resolution: float | None = None) -> Objective:
    """What the denoiser is trained on.

    Args:
        process: names of the parts.
        resolution: to which data are known, for learnt variances; None for real numbers.
    """
    if process.kind == "average":
        return Shortcut()
    if process.marginal:
        return Likelihood(TIMES[process.times])
    if process.kind == "variance":
        return Hybrid(LossSecondMoment(process.steps, floor=process.floor), resolution=resolution)
    return Regression(TIMES[process.times], WEIGHTS[process.weight])


def net_times(process: Process) -> int:
    """Times that the network is given.

    Args:
        process: names of the parts.
    """
    return 2 if process.kind == "average" else 1


def net_outputs(process: Process, features: int) -> int:
    """Numbers that the network gives.

    Args:
        process: names of the parts.
        features: numbers of the data.
    """
    return 2 * features if process.kind == "variance" else features
