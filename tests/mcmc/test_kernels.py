"""Every kernel obeys the protocol and leaves its target as it is, and a wrong density of the proposal shows."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cloudchamber.mcmc.clusters import Clustered
from cloudchamber.mcmc.compose import Choice, Cycle
from cloudchamber.mcmc.independence import Independence
from cloudchamber.mcmc.proposal import Drawn, ModelProposal
from cloudchamber.mcmc.state import Kernel, Mark, State
from cloudchamber.mcmc.walk import Evolution, LatentWalk, RandomWalk
from cloudchamber.models.autoregressive_flow import AutoregressiveFlow
from cloudchamber.models.mixture import TailedMixture
from cloudchamber.process.base import Tailed
from cloudchamber.process.exact import Mixture
from cloudchamber.recipes.proposals import PROPOSALS
from cloudchamber.tensors.rng import Rng, RowRng

WALKERS, STEPS, SIGMAS = 5000, 3, 4.5
TRUTH = Mixture(
    torch.tensor([0.3, 0.7]), torch.tensor([[-3.0, 0.0], [3.0, 1.0]]),
    torch.tensor([[[1.0, 0.6], [0.6, 0.8]], [[0.5, -0.2], [-0.2, 1.0]]]),
)  # fmt: skip


def target(x: Tensor) -> Tensor:
    return TRUTH.log_prob(x)


def approximate(kind: str) -> Clustered:
    """A proposal that is near the truth but not it, with random networks: exactness cannot lean on a good fit."""
    roots = torch.linalg.cholesky(torch.eye(2) * torch.tensor([1.2, 0.8, 9.0])[:, None, None])
    mixture = TailedMixture(torch.tensor([0.45, 0.5, 0.05]), torch.tensor([[-2.6, 0.0], [3.0, 0.7], [0.0, 0.0]]), roots)
    make = PROPOSALS[kind]
    if make is None:
        return Clustered(mixture)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = make(2, 2)
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return Clustered(mixture, model)


class Bent(Clustered):
    """A proposal whose density forgets what the model has learnt."""

    def draw(self, rng: Rng) -> Drawn:
        x, mark = super().draw(rng)
        return Drawn(x, Clustered(self.mixture).score(x, rng) if self.model else Mark(mark.label, 0 * mark.log_q))

    def score(self, x: Tensor, rng: Rng) -> Mark:
        mark = Clustered(self.mixture).score(x, rng)
        return mark if self.model else Mark(mark.label, 0 * mark.log_q)


def plain_flow() -> ModelProposal:
    """A model without clusters, which only has `sample` and `log_prob`."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        flow = AutoregressiveFlow(2, splines=1, width=8, base=Tailed(share=0.5, width=4.0))
        for parameter in flow.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return ModelProposal(flow, 2)


KERNELS: dict[str, Callable[[], Kernel]] = {
    "random walk": lambda: RandomWalk(target, torch.tensor([1.0, 0.7]).double(), spread=0.5),
    "evolution": lambda: Evolution(target, torch.full((2,), 0.01).double()),
    "latent mixture": lambda: LatentWalk(target, approximate("mixture")),
    "latent diffusion": lambda: LatentWalk(target, approximate("diffusion")),
    "global mixture": lambda: Independence(target, approximate("mixture")),
    "global diffusion": lambda: Independence(target, approximate("diffusion")),
    "global flow": lambda: Independence(target, approximate("flow")),
    "global model": lambda: Independence(target, plain_flow()),
    "choice": lambda: Choice([KERNELS["random walk"](), KERNELS["global mixture"]()], (1, 3)),
    "cycle": lambda: Cycle([KERNELS["global mixture"](), KERNELS["random walk"]()]),
}


def start(walkers: int = WALKERS) -> State:
    x = TRUTH.sample(walkers, torch.Generator().manual_seed(1))
    return State(x, target(x))


def statistics(x: Tensor) -> Tensor:
    """Moments, products, and the share on the left."""
    return torch.stack([x[:, 0], x[:, 1], x[:, 0] ** 2, x[:, 1] ** 2, x[:, 0] * x[:, 1], (x[:, 0] < 0).double()], 1)


def drift(kernel: Kernel) -> float:
    """How far, in standard errors, statistics of exact draws move in some steps: the largest of them."""
    before = state = start()
    for step in range(STEPS):
        state, info = kernel(RowRng((7, step), WALKERS), state)
        assert info.accepted.any()
    moved = statistics(state.x) - statistics(before.x)
    return float((moved.mean(0) / (moved.std(0) / WALKERS**0.5)).abs().max())


@pytest.mark.parametrize("name", KERNELS)
def test_the_target_is_invariant(name: str) -> None:
    assert drift(KERNELS[name]()) < SIGMAS


@pytest.mark.parametrize("kind", ["mixture", "diffusion", "flow"])
def test_a_wrong_density_is_noticed(kind: str) -> None:
    right = approximate(kind)
    assert drift(Independence(target, Bent(right.mixture, right.model))) > 1.5 * SIGMAS


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_are_functions_of_random_numbers_and_state(name: str) -> None:
    state = start(40)
    once, again = (KERNELS[name]()(RowRng((1,), 40), state) for _ in range(2))
    assert torch.equal(once.state.x, again.state.x)
    assert torch.equal(once.info.accepted, again.info.accepted)
    assert torch.equal(once.state.x[~once.info.accepted], state.x[~once.info.accepted])
    assert torch.allclose(once.state.log_prob, target(once.state.x))


@pytest.mark.parametrize("name", KERNELS)
def test_nothing_goes_where_the_density_vanishes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(x: Tensor) -> Tensor:
        return torch.where(x[:, 0] > 0, TRUTH.log_prob(x), -torch.inf)

    monkeypatch.setitem(globals(), "target", half)
    x = TRUTH.sample(400, torch.Generator().manual_seed(1))
    x = x[x[:, 0] > 0]
    state, kernel = State(x, half(x)), KERNELS[name]()
    for step in range(4):
        state, _ = kernel(RowRng((2, step), len(x)), state)
    assert (state.x[:, 0] > 0).all()
    assert torch.isfinite(state.log_prob).all()


def test_a_mark_that_is_carried_along_is_what_a_fresh_look_gives() -> None:
    proposal = approximate("mixture")
    kernel = Independence(target, proposal)
    state = start(200)
    for step in range(3):
        state, _ = kernel(RowRng((5, step), 200), state)
    assert state.mark is not None
    fresh = proposal.score(state.x, RowRng((9,), 200))
    assert torch.allclose(state.mark.log_q, fresh.log_q)  # the mixture's ln q is the same for every label
