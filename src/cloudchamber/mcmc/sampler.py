"""The sampler that users call."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.mcmc.learner import Learner
from cloudchamber.mcmc.plan import Plan
from cloudchamber.mcmc.posterior import inference_data
from cloudchamber.mcmc.run import Run
from cloudchamber.mcmc.target import Bounds, LogProb, Target

if TYPE_CHECKING:
    import arviz as az

__all__ = ["Sampler", "Store"]


class Store(Protocol):
    """Where the state of a run is kept."""

    def save(self, state: Mapping[str, Any], *, now: bool) -> None:
        """Keep a state; unless `now`, only if the last one is old enough."""
        ...

    def load(self) -> Mapping[str, Any]:
        """The last state that was kept."""
        ...


class Sampler:
    """Markov chains helped by a proposal that is trained on them.

    Args:
        log_prob: natural logarithm of the density, up to a constant: of a point (D,), or, vectorized, of (n, D).
        ndim: parameters D.
        learner: makes proposals from samples.
        bounds: lower and upper bound of each parameter, None where there is none.
        vectorize: whether `log_prob` takes many points at once.
        names: of the parameters; x0, x1, ... by default.
        seed: names all random streams.
        plan: settings of the run.

    Raises:
        InputError: if the arguments do not fit together.
    """

    def __init__(
        self, log_prob: LogProb, ndim: int, learner: Learner, *, bounds: Bounds | None = None, vectorize: bool = False,
        names: Sequence[str] | None = None, seed: int = 0, plan: Plan | None = None,
    ) -> None:  # fmt: skip
        self.target = Target(log_prob, ndim, bounds, vectorize=vectorize)
        self.learner, self.seed, self.plan = learner, seed, plan or Plan()
        self.names = [f"x{k}" for k in range(ndim)] if names is None else list(names)
        if len(set(self.names)) != ndim:
            raise InputError(f"there are {len(set(self.names))} different names for {ndim} parameters.")
        if seed < 0:
            raise InputError(f"seed {seed} is impossible: it must not be negative.")

    def run(
        self, n_steps: int, initial: NDArray[np.float64] | None = None, *, store: Store | None = None,
        resume: bool = False, progress: Callable[[str, int], None] = lambda stage, steps: None,
    ) -> "az.InferenceData":  # fmt: skip
        """Warm up, train, freeze and draw.

        Args:
            n_steps: draws of each walker with the frozen kernel.
            initial: where the walkers start, shape (walkers, D), as different from each other as can be; uniform
                between the bounds by default.
            store: where to keep the state of the run, if it is to be resumed.
            resume: go on from the state in `store`.
            progress: told the stage and the steps done in all, after every step.

        Returns:
            The draws as ArviZ's data, with what came before in the groups `warmup_posterior` and
            `warmup_sample_stats`, and acceptances and evaluations in the attributes.

        Raises:
            InputError: if the starts do not fit, the target fails, or there is nothing to resume.
        """
        if n_steps < 1:
            raise InputError(f"{n_steps} steps are impossible: at least one is needed.")
        run = self._started(n_steps, initial, store if resume else None)
        if store is not None:
            store.save(self._state(run), now=True)
        while not run.finished:
            stepped = run.advance()
            progress(run.stages[run.stage].name, run.steps_done)
            if store is not None:
                store.save(self._state(run), now=not stepped or run.finished)
        return inference_data(run, self.names)

    def _started(self, draws: int, initial: NDArray[np.float64] | None, store: Store | None) -> Run:
        kept = None if store is None else store.load()
        if kept is not None:
            self._require_same(kept)
        starts = self._starts(initial) if kept is None else kept["run"]["x"]
        run = Run(self.target, self.plan, self.learner, seed=self.seed, starts=starts, draws=draws)
        if kept is not None:
            run.load_state_dict(kept["run"])
        return run

    def _state(self, run: Run) -> dict[str, Any]:
        return {"settings": self._settings(), "run": run.state_dict()}

    def _settings(self) -> dict[str, Any]:
        bounds = [list(pair) for pair in self.target.bounds]
        return {**vars(self.plan), "seed": self.seed, "names": self.names, "bounds": bounds}

    def _require_same(self, kept: Mapping[str, Any]) -> None:
        mine, theirs = self._settings(), kept["settings"]
        differing = [name for name in mine if mine[name] != theirs.get(name)]
        if differing:
            raise InputError(f"the run to resume had other settings ({', '.join(differing)}); give the same ones, or "
                             "start anew.")  # fmt: skip

    def _starts(self, initial: NDArray[np.float64] | None) -> Tensor:
        shape = self.plan.walkers, self.target.ndim
        if initial is not None:
            given = np.asarray(initial, dtype=np.float64)
            if given.shape != shape:
                raise InputError(f"the starts have the shape {given.shape}; give {shape}, a point for each walker.")
            return self.target.to_line(given)
        low, high = np.array(self.target.bounds).T
        if not np.isfinite([low, high]).all():
            raise InputError(f"a parameter has no bounds, so 'initial' must say where the {shape[0]} walkers start.")
        unit = np.random.default_rng([self.seed, 1]).uniform(size=shape)
        return self.target.to_line(low + (high - low) * np.clip(unit, 1e-9, 1 - 1e-9))
