"""`cloudchamber.AssistedSampler`: the sampler with a proposal by name and a file to resume from."""

import io
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from cloudchamber.errors import InputError
from cloudchamber.formats.atomic import atomic_path
from cloudchamber.mcmc.plan import Plan
from cloudchamber.mcmc.sampler import Sampler
from cloudchamber.mcmc.target import Bounds, LogProb
from cloudchamber.recipes.proposals import make_learner

if TYPE_CHECKING:
    import arviz as az

__all__ = ["AssistedSampler", "CheckpointFile"]


class CheckpointFile:
    """The state of a run in a file; reading it executes nothing.

    Args:
        path: the file.
        every: seconds between two writings.
    """

    def __init__(self, path: Path, every: float = 30.0) -> None:
        self.path, self.every, self._written = path, every, -float("inf")

    def save(self, state: Mapping[str, Any], *, now: bool) -> None:
        """Write a state, if the last one is old enough.

        Args:
            state: tensors and plain containers.
            now: write in any case.
        """
        if not now and time.monotonic() - self._written < self.every:
            return
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        with atomic_path(self.path) as temporary:
            temporary.write_bytes(buffer.getvalue())
        self._written = time.monotonic()

    def load(self) -> Mapping[str, Any]:
        """The last state that was written.

        Raises:
            InputError: if there is none, or it is damaged.
        """
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            raise InputError(f"there is no '{self.path}' to resume from; start without --resume.") from None
        except (RuntimeError, UnpicklingError, EOFError, OSError, KeyError, ValueError) as error:
            raise InputError(f"'{self.path}' is damaged; restore it, or start a new run.") from error
        if not isinstance(state, dict) or state.keys() != {"settings", "run"}:
            raise InputError(f"'{self.path}' is not the state of a Markov chain; give that of `cloudchamber mcmc`.")
        return state


class AssistedSampler:
    """Markov chains that are helped by a generative model, which is trained on the chains themselves.

    Walkers first move by themselves (`warmup` steps); then a model is trained on their points and proposes new ones,
    accepted by the rule of Metropolis and Hastings with the model's exact density, in `rounds` rounds with a training
    each. After one more training the model is frozen, and only what is drawn then counts.

    Args:
        log_prob: natural logarithm of the density, up to a constant: of a point (D,), or, vectorized, of (n, D).
        ndim: parameters D.
        bounds: lower and upper bound of each parameter, None where there is none.
        vectorize: whether `log_prob` takes many points at once.
        names: of the parameters; x0, x1, ... by default.
        proposal: `diffusion`, `flow` (neural splines, by zuko) or `mixture` (normal distributions).
        seed: names all random streams; the same seed gives the same chain.
        training_steps: of the model's optimiser.
        **plan: settings of `mcmc.plan.Plan`, such as walkers, warmup, rounds, round_steps, start_beta.

    >>> import numpy as np
    >>> sampler = AssistedSampler(lambda x: -0.5 * np.sum(x**2), ndim=2, walkers=8, warmup=20, rounds=0, seed=1,
    ...                           proposal="mixture")
    >>> data = sampler.run(5, np.random.default_rng(1).normal(size=(8, 2)))
    >>> dict(data.posterior.sizes)
    {'chain': 8, 'draw': 5}
    """

    def __init__(
        self, log_prob: LogProb, ndim: int, *, bounds: Bounds | None = None, vectorize: bool = False,
        names: Sequence[str] | None = None, proposal: str = "diffusion", seed: int = 0,
        training_steps: int | None = None, **plan: Any,  # noqa: ANN401
    ) -> None:  # fmt: skip
        self.plan, self.ndim = _plan(plan), ndim
        learner = make_learner(proposal, steps=training_steps)
        self._sampler = Sampler(log_prob, ndim, learner, bounds=bounds, vectorize=vectorize, names=names, seed=seed,
                                plan=self.plan)  # fmt: skip

    @property
    def evaluations(self) -> int:
        """Evaluations of the density so far, all of them."""
        return self._sampler.target.evaluations

    def run(
        self, n_steps: int, initial: NDArray[np.float64] | None = None, *, checkpoint: Path | str | None = None,
        resume: bool = False, every: float = 30.0,
        progress: Callable[[str, int], None] = lambda stage, steps: None,
    ) -> "az.InferenceData":  # fmt: skip
        """Warm up, train, freeze and draw.

        Args:
            n_steps: draws of each walker with the frozen kernel.
            initial: where the walkers start, shape (walkers, D), as different from each other as can be; uniform
                between the bounds by default.
            checkpoint: a file that keeps the state of the run.
            resume: go on from the checkpoint; the chain is the one that would have been without the interruption.
            every: seconds between two writings of the checkpoint.
            progress: told the stage and the steps done in all, after every step.

        Returns:
            The draws as ArviZ's data, with what came before as its warm-up.

        Raises:
            InputError: if the starts do not fit, the target fails, or there is nothing to resume.
        """
        if resume and checkpoint is None:
            raise InputError("a run is resumed from a file; give it as 'checkpoint'.")
        store = None if checkpoint is None else CheckpointFile(Path(checkpoint), every)
        return self._sampler.run(n_steps, initial, store=store, resume=resume, progress=progress)


def _plan(settings: Mapping[str, Any]) -> Plan:
    unknown = settings.keys() - vars(Plan()).keys()
    if unknown:
        raise InputError(f"the setting '{min(unknown)}' is unknown; choose from {', '.join(vars(Plan()))}.")
    return Plan(**settings)
