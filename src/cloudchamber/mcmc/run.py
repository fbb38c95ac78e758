r"""A run as a state that goes on step by step and can be saved between any two.

Every step has a random stream of its own, named by the seed, the stage and the number of the step; every training has
one too. So a run that was stopped anywhere and continued is the run that was not, bit for bit, and a longer run begins
with the shorter one.

While warming up, walkers walk at random (each adapts its step length towards an acceptance of 0.3), and in the second
half in turn with differential evolution, on the density to the power beta if annealed; halfway and later, walkers whose
density is hopelessly far below the highest are put where another is, which is allowed because no draw of the warm-up
counts. Before they have settled, long steps would gather them in the modes that are broad in these coordinates.
Afterwards a global proposal, trained on what the chain has drawn so far, is mixed with local steps in the coordinates
that the proposal has learnt. In the rounds, whose draws do not count either, some walkers draw from a flatter density.
Global proposals do not depend on where walkers are, so they are drawn for a block of steps at once, whose stream is
named by the number of the block.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.mcmc.clusters import Clustered
from cloudchamber.mcmc.compose import Choice
from cloudchamber.mcmc.history import History
from cloudchamber.mcmc.independence import Independence
from cloudchamber.mcmc.learner import Learner
from cloudchamber.mcmc.plan import Plan, Stage
from cloudchamber.mcmc.proposal import Drawn, Prepared
from cloudchamber.mcmc.state import Kernel, Mark, State, Transition
from cloudchamber.mcmc.target import LogDensity, Target
from cloudchamber.mcmc.walk import Evolution, LatentWalk, RandomWalk
from cloudchamber.tensors.rng import RowRng

__all__ = ["Run"]

_WANTED, _GAIN, _FIRST_STEP, _JITTER = 0.3, 0.5, 0.3, 1e-3
_BLOCK, _PROPOSALS = 8, 1
_HOPELESS, _HOPELESS_PER_DIMENSION = 10.0, 1.5


class Run:
    """A run.

    Args:
        target: ln pi.
        plan: settings.
        learner: makes proposals.
        seed: names all random streams.
        starts: of the walkers, in coordinates without bounds, shape (W, D).
        draws: steps of the last stage.

    Raises:
        InputError: if the density vanishes at a start.
    """

    def __init__(self, target: Target, plan: Plan, learner: Learner, *, seed: int, starts: Tensor, draws: int) -> None:
        self.target, self.plan, self.learner, self.seed = target, plan, learner, seed
        self.stages = plan.stages(draws)
        self.histories = [History() for _ in self.stages]
        self.evaluations = [0] * len(self.stages)
        self.stage = 0
        self.proposal: Clustered | None = None
        self.trained = (0, 0)
        self._block = _Block()
        self.spread = starts.std(0).clamp(min=1e-8)
        self.log_scale = torch.zeros(len(starts), dtype=torch.float64)
        before = target.evaluations
        self.state = State(starts, target(starts))
        self.evaluations[0] = target.evaluations - before
        if not torch.isfinite(self.state.log_prob).all():
            worst = int(torch.isinf(self.state.log_prob).nonzero()[0, 0])
            point = ", ".join(f"{number:.6g}" for number in target.to_values(starts)[worst].tolist())
            raise InputError(f"the density vanishes at the start ({point}); start where it does not.")

    @property
    def step(self) -> int:
        """Steps done in the present stage."""
        return len(self.histories[self.stage])

    @property
    def steps_done(self) -> int:
        """Steps done in all stages."""
        return sum(len(history) for history in self.histories)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self._next_stage() == len(self.stages)

    def advance(self) -> bool:
        """Do one thing: train a proposal, or step.

        Returns:
            Whether it was a step.
        """
        self.stage = self._next_stage()
        if self._due():
            draft = self.plan.is_round(self.stage)
            self.proposal = self.learner.fit(self.pool(), (self.seed, self.stage, self.step), draft=draft)
            self.trained = (self.stage, self.step)
            self.state = State(self.state.x, self.state.log_prob)
            return False
        before = self.target.evaluations
        rng = RowRng((self.seed, self.stage, self.step), self.plan.walkers)
        done = self._moved(rng)
        self.state = done.state
        self.histories[self.stage].append(done)
        self.evaluations[self.stage] += self.target.evaluations - before
        return True

    def kernel(self, target: LogDensity | None = None) -> Kernel:
        """The kernel after the warm-up.

        Args:
            target: what it leaves invariant; the run's own by default.

        Raises:
            RuntimeError: if nothing has been trained yet.
        """
        if self.proposal is None:
            raise RuntimeError("the proposal is not trained yet")
        target = target or self.target
        parts = Independence(target, Prepared(self.proposal, self._ahead())), LatentWalk(target, self.proposal)
        return Choice(parts, (self.plan.global_share, 1 - self.plan.global_share))

    def _ahead(self) -> Drawn:
        """What is proposed globally in this step: draws for a block of steps cost little more than those for one."""
        if self.proposal is None:
            raise RuntimeError("the proposal is not trained yet")
        block, row = divmod(self.step, _BLOCK)
        if self._block.key != (name := (*self.trained, self.stage, block)):
            rng = RowRng((self.seed, self.stage, block, _PROPOSALS), _BLOCK * self.plan.walkers)
            self._block = _Block(name, self.proposal.draw(rng))
        return self._block.rows(row, self.plan.walkers)

    def pool(self) -> Tensor:
        """What a training learns from, shape (n, D): the second half of the warm-up, or all that was drawn since.

        Points whose density is hopelessly far below the highest are walkers that have not arrived: they are left out.
        """
        of_rounds = self.histories[1 : self.stage + 1] if self.stage > 1 else self.histories[:1]
        points = [step for history in of_rounds for step in zip(history.x, history.log_prob, strict=True)]
        if self.stage == 1:
            points = points[self.plan.warmup // 2 :]
        kept = min(len(points), max(1, self.plan.pool // self.plan.walkers))
        chosen = [points[number * len(points) // kept] for number in range(kept)]
        x, log_prob = (torch.cat(part) for part in zip(*chosen, strict=True))
        return x[_hopeful(log_prob, x.shape[1])]

    def state_dict(self) -> dict[str, Any]:
        """All that the run needs to go on, in tensors and plain containers."""
        return {
            "histories": [history.state_dict() for history in self.histories],
            "evaluations": list(self.evaluations),
            "x": self.state.x,
            "log_prob": self.state.log_prob,
            "mark": None if self.state.mark is None else list(self.state.mark),
            "proposal": None if self.proposal is None else self.learner.state(self.proposal),
            "trained": list(self.trained),
            "spread": self.spread,
            "log_scale": self.log_scale,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, which may be that of a run with fewer draws.

        Args:
            state: what `state_dict` gave.
        """
        self.histories = [History.from_state(history) for history in state["histories"]]
        self.evaluations = list(state["evaluations"])
        self.target.evaluations = sum(self.evaluations)
        mark = None if state["mark"] is None else Mark(*state["mark"])
        self.state = State(state["x"], state["log_prob"], mark)
        self.proposal = None if state["proposal"] is None else self.learner.restore(state["proposal"])
        self.trained = state["trained"][0], state["trained"][1]
        self.spread, self.log_scale = state["spread"], state["log_scale"]
        self.stage = min(self._next_stage(), len(self.stages) - 1)

    def _next_stage(self) -> int:
        """The first stage that is not done."""
        undone = (n for n, (stage, done) in enumerate(self._progress()) if len(done) < stage.steps)
        return next(undone, len(self.stages))

    def _progress(self) -> list[tuple[Stage, History]]:
        return list(zip(self.stages, self.histories, strict=True))

    def _due(self) -> bool:
        """Whether a training comes next."""
        trains = [n for n, stage in enumerate(self.stages[: self.stage + 1]) if stage.trains]
        if trains and self.trained[0] < trains[-1]:
            return True
        again = self.plan.adapt_forever and self.stage == len(self.stages) - 1 and self.step > 0
        return again and self.step % self.plan.round_steps == 0 and self.trained != (self.stage, self.step)

    def _moved(self, rng: RowRng) -> Transition:
        """One step as the present stage has it."""
        if self.stage == 0:
            return self._warm_up(rng)
        if not self.plan.is_round(self.stage):
            return self.kernel()(rng, self.state)
        hot = _Tempered(self.target, torch.from_numpy(self.plan.round_betas(self.target.ndim)))
        done = self.kernel(hot)(rng, replace(self.state, log_prob=hot.from_plain(self.state)))
        return Transition(replace(done.state, log_prob=hot.to_plain(done.state)), done.info)

    def _warm_up(self, rng: RowRng) -> Transition:
        """One step of the local kernels, on the density to some power."""
        beta = torch.tensor(self.plan.beta(self.step), dtype=torch.float64)
        if self.step in (self.plan.warmup // 2, 3 * self.plan.warmup // 4):
            self._rescue(rng)
        hot = _Tempered(self.target, beta)
        state = State(self.state.x, hot.from_plain(self.state))
        if self.step % 2 and self.step >= self.plan.warmup // 2:
            done = Evolution(hot, _JITTER * self.spread)(rng, state)
        else:
            lengths = _FIRST_STEP * self.log_scale.exp()
            done = RandomWalk(hot, lengths[:, None] * self.spread)(rng, state)
            self.log_scale = self.log_scale + _GAIN * (done.info.accepted.double() - _WANTED)
        return Transition(State(done.state.x, hot.to_plain(done.state)), done.info)

    def _rescue(self, rng: RowRng) -> None:
        """Put hopeless walkers where others are."""
        fine = _hopeful(self.state.log_prob, self.state.x.shape[1])
        there = fine.nonzero()[:, 0]
        source = torch.where(fine, torch.arange(len(fine)), there[(rng.uniform() * len(there)).long()])
        self.state = State(self.state.x[source], self.state.log_prob[source])
        self.log_scale = self.log_scale[source]


def _hopeful(log_prob: Tensor, ndim: int) -> Tensor:
    """Whether points could be draws, next to the best of them, shape (n,)."""
    return log_prob > log_prob.max() - _HOPELESS - _HOPELESS_PER_DIMENSION * ndim


class _Block(NamedTuple):
    """Draws of a proposal for some steps."""

    key: tuple[int, ...] = ()
    drawn: Drawn | None = None

    def rows(self, number: int, walkers: int) -> Drawn:
        """Those of one of the steps."""
        if self.drawn is None:
            raise RuntimeError("nothing has been drawn yet")
        those = slice(number * walkers, (number + 1) * walkers)
        x, (label, log_q) = self.drawn
        return Drawn(x[those], Mark(label[those], log_q[those]))


class _Tempered:
    """p(v)^beta with the Jacobian of v(u) as it is, so that bounds act as before; beta may differ between walkers."""

    def __init__(self, target: Target, beta: Tensor) -> None:
        self.target, self.beta = target, beta

    def __call__(self, u: Tensor) -> Tensor:
        return self.beta * self.target.values(self.target.to_values(u)) + self.target.bijection.log_slope(u)

    def from_plain(self, state: State) -> Tensor:
        """Its logarithm where that of the target is known."""
        slope = self.target.bijection.log_slope(state.x)
        return torch.where(self.beta == 1, state.log_prob, self.beta * (state.log_prob - slope) + slope)

    def to_plain(self, state: State) -> Tensor:
        """The target's logarithm where its own is known."""
        slope = self.target.bijection.log_slope(state.x)
        return torch.where(self.beta == 1, state.log_prob, (state.log_prob - slope) / self.beta + slope)
