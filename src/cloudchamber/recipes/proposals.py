"""Proposals by name: a mixture of normal distributions, and models that learn how its components deviate from it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from cloudchamber.errors import InputError
from cloudchamber.mcmc.clusters import Clustered, cluster_rows
from cloudchamber.models.autoregressive_flow import AutoregressiveFlow, Warped
from cloudchamber.models.base import Trainable
from cloudchamber.models.diffusion import Diffusion, SolvedDiffusion
from cloudchamber.models.mixture import TailedMixture
from cloudchamber.nets.mlp import TangentNet
from cloudchamber.process.base import Tailed
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.schedule import CosineLogSNR
from cloudchamber.tensors.batch import Batch
from cloudchamber.train.memory import fit_rows

__all__ = ["PROPOSALS", "ClusterLearner", "make_learner"]

_SOLVER_STEPS = 6


def _diffusion(features: int, clusters: int) -> nn.Module:
    """Where data are unit normal, the variance-preserving path has no velocity: untrained, it is the mixture."""
    net = TangentNet(features, clusters)
    model = SolvedDiffusion(Diffusion(Denoiser(net, CosineLogSNR(), "v")), _SOLVER_STEPS, Tailed())
    return Warped(AutoregressiveFlow(features, clusters, affine=1, splines=0, base=Tailed()), model)


def _flow(features: int, clusters: int) -> nn.Module:
    return AutoregressiveFlow(features, clusters, affine=1, splines=2, base=Tailed())


PROPOSALS: Mapping[str, Callable[[int, int], nn.Module] | None] = {
    "diffusion": _diffusion, "flow": _flow, "mixture": None,
}  # fmt: skip
_STEPS = {"diffusion": 300, "flow": 300, "mixture": 0}
_RATES = {"diffusion": 1e-2, "flow": 5e-3, "mixture": 0.0}


class ClusterLearner:
    """Fits a mixture, and a model in the coordinates of its components.

    Args:
        kind: a name in `PROPOSALS`.
        steps: of the model's optimiser; those of the kind by default.
        clusters: normal components at most.
    """

    def __init__(self, kind: str = "diffusion", *, steps: int | None = None, clusters: int = 26) -> None:
        self.kind, self.clusters = kind, clusters
        self.steps = _STEPS[kind] if steps is None else steps

    def fit(self, sample: Tensor, seed: Sequence[int], *, draft: bool = False) -> Clustered:
        """A proposal for the distribution of a sample.

        Args:
            sample: shape (n, D), float64.
            seed: names all random streams of the fit.
            draft: take a quarter of the steps.
        """
        first = int(torch.tensor(list(seed)).sum()) % 2**31
        mixture = TailedMixture.fit(sample, seed=first, most=self.clusters)
        if PROPOSALS[self.kind] is not None:
            mixture = mixture.merged()
        model = self._model(sample.shape[1], mixture.components - 1, seed)
        if model is not None:
            rows = cluster_rows(sample, mixture, (*seed, 1))
            steps = -(-self.steps // 4) if draft else self.steps
            rate = _RATES[self.kind]
            (model.flow if isinstance(model, Warped) else cast(AutoregressiveFlow, model)).start_from(rows)
            fit_rows(cast(Trainable[Batch], model), rows, steps=steps, seed=(*seed, 2), learning_rate=rate)
        return Clustered(mixture, model)

    def state(self, proposal: Clustered) -> dict[str, Any]:
        """Tensors that define a proposal.

        Args:
            proposal: of `fit`.
        """
        weights = {} if proposal.model is None else proposal.model.state_dict()
        return {"mixture": proposal.mixture.state(), "weights": dict(weights)}

    def restore(self, state: Mapping[str, Any]) -> Clustered:
        """The proposal that a state came from.

        Args:
            state: what `state` gave.
        """
        mixture = TailedMixture.from_state(state["mixture"])
        model = self._model(mixture.means.shape[1], mixture.components - 1, (0,))
        if model is not None:
            model.load_state_dict(state["weights"])
            model.eval()
        return Clustered(mixture, model)

    def _model(self, features: int, clusters: int, seed: Sequence[int]) -> nn.Module | None:
        make = PROPOSALS[self.kind]
        if make is None:
            return None
        with torch.random.fork_rng():
            torch.manual_seed(int(torch.tensor(list(seed)).sum()))
            return make(features, clusters)


def make_learner(kind: str, *, steps: int | None = None, clusters: int = 26) -> ClusterLearner:
    """A learner by name.

    Args:
        kind: a name in `PROPOSALS`.
        steps: of the model's optimiser; those of the kind by default.
        clusters: normal components at most.

    Raises:
        InputError: if there is none of this name.
    """
    if kind not in PROPOSALS:
        raise InputError(f"the proposal '{kind}' is unknown; choose one of {', '.join(PROPOSALS)}.")
    return ClusterLearner(kind, steps=steps, clusters=clusters)
