"""Tensors hold the events of generation, and their derivatives are those of finite differences."""

from collections.abc import Callable

import awkward as ak
import numpy as np
import pytest
import torch
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.generate.tensors import TensorEvents
from cloudchamber.physics.dis import dis_variables
from cloudchamber.recipes.generation import Generator, load
from cloudchamber.represent.cloud import CloudRepresentation, four_momenta
from cloudchamber.represent.differentiable import Inclusive, electron_scores, electron_variables, hadronic_mass

N = 6


@pytest.fixture(scope="module")
def generator() -> Generator:
    """The shipped model in float64."""
    generator = load("ep-dis-10x275-stable")
    generator.trained.model.double()
    return generator


@pytest.fixture(scope="module")
def electron() -> Inclusive:
    return Inclusive(torch.linspace(30.0, 400.0, N).double(), torch.linspace(0.15, 0.8, N).double())


@pytest.fixture(scope="module")
def drawn(generator: Generator, electron: Inclusive) -> TensorEvents:
    return generator.sample_tensors(N, seed=3, electron=electron, calls=3)


def something(events: TensorEvents) -> Tensor:
    """One number that knows all momenta."""
    pt = (events.momenta[..., 1] ** 2 + events.momenta[..., 2] ** 2 + 1e-6).sqrt()
    along = torch.asinh(events.momenta[..., 3])
    return ((pt + 0.3 * along + 0.1 * events.momenta[..., 1]) * events.mask).sum() + events.electron[:, 3].sum()


def central(function: Callable[[float], Tensor], h: float) -> float:
    return float((function(h) - function(-h)) / (2 * h))


def test_tensors_are_the_events_of_generation() -> None:
    """Before projection, decays and unfolding: compared particle by particle where nothing was unfolded."""
    model = load("ep-dis-10x275")
    made = model.sample(40, seed=5, calls=2, decay=False, project=False, precision="float32")
    tensors = model.sample_tensors(40, seed=5, calls=2)
    expected = four_momenta(ak.flatten(made.hadronic))
    got = tensors.momenta[tensors.mask].numpy()
    assert np.array_equal(tensors.mask.sum(1).numpy(), made.counts - 1)
    assert np.array_equal(tensors.pdg_id[tensors.mask].numpy(), ak.to_numpy(ak.flatten(made.hadronic.pdg_id)))
    scale = expected[:, :1]
    assert np.quantile(np.abs(got - expected) / scale, 0.99) < 1e-3  # groups of other padding round otherwise
    np.testing.assert_allclose(tensors.electron.numpy(), four_momenta(made.electron), rtol=1e-4, atol=1e-4)


def test_electrons_go_to_scores_and_back(generator: Generator, electron: Inclusive) -> None:
    table = generator.trained.representation
    assert isinstance(table, CloudRepresentation)
    again = electron_variables(electron_scores(electron, table), table)
    torch.testing.assert_close(again.Q2, electron.Q2)
    torch.testing.assert_close(again.y, electron.y)


def test_electrons_are_those_asked_for(drawn: TensorEvents, electron: Inclusive, generator: Generator) -> None:
    variables = dis_variables(drawn.electron.numpy(), generator.trained.representation.beams)
    np.testing.assert_allclose(variables.Q2, electron.Q2, rtol=1e-6)
    np.testing.assert_allclose(variables.y, electron.y, rtol=1e-6)
    W = hadronic_mass(electron, generator.trained.representation.beams)
    np.testing.assert_allclose(np.sqrt(variables.W2), W, rtol=1e-6)


@pytest.mark.parametrize("which", ["Q2", "y"])
def test_derivatives_by_the_electron_are_finite_differences(
    generator: Generator, electron: Inclusive, drawn: TensorEvents, which: str
) -> None:
    """Bar: 1e-3, event by event; the electron moves the context, the frame and the scale of all rapidities."""
    values = getattr(electron, which)
    leaf = values.clone().requires_grad_()
    kinematics = electron._replace(**{which: leaf})
    something(generator.sample_tensors(N, 3, electron=kinematics, species=drawn.species, calls=3)).backward()
    for event in range(N):
        unit = torch.eye(N, dtype=torch.float64)[event] * values[event]

        def shifted(h: float, unit: Tensor = unit) -> Tensor:
            moved = electron._replace(**{which: values + h * unit})
            return something(generator.sample_tensors(N, 3, electron=moved, species=drawn.species, calls=3))

        expected = central(shifted, 1e-6)
        assert float(leaf.grad @ unit) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("stage", ["electron", "cloud"])
def test_derivatives_by_the_weights_are_finite_differences(
    generator: Generator, drawn: TensorEvents, stage: str
) -> None:
    """Bar: 1e-3, along random directions in the weights of the first and the last tensors and of all of them."""
    model = generator.trained.model
    weights = list(model[stage].parameters())
    start = [w.detach().clone() for w in weights]
    drawn_electron = None if stage == "electron" else Inclusive(drawn.Q2, drawn.y)

    def made() -> Tensor:
        return something(generator.sample_tensors(N, 3, electron=drawn_electron, species=drawn.species, calls=3))

    model[stage].requires_grad_(True)
    gradients = torch.autograd.grad(made(), weights, allow_unused=True)
    model[stage].requires_grad_(False)
    random = torch.Generator().manual_seed(1)
    for chosen in (range(2), range(len(weights) - 2, len(weights)), range(len(weights))):
        directions = {k: torch.randn(weights[k].shape, generator=random).double() for k in chosen}
        slope = sum(float((gradients[k] * d).sum()) for k, d in directions.items() if gradients[k] is not None)

        def moved(h: float, directions: dict[int, Tensor] = directions) -> Tensor:
            for k, d in directions.items():
                weights[k].data.copy_(start[k] + h * d)
            value = made()
            for k in directions:
                weights[k].data.copy_(start[k])
            return value

        assert slope == pytest.approx(central(moved, 1e-7), rel=1e-3)


def test_derivatives_pass_to_single_momenta(generator: Generator, electron: Inclusive, drawn: TensorEvents) -> None:
    leaf = electron.y.clone().requires_grad_()
    events = generator.sample_tensors(N, 3, electron=Inclusive(electron.Q2, leaf), species=drawn.species, calls=3)
    (by_y,) = torch.autograd.grad(events.momenta[2].sum(), leaf)
    assert by_y[2].abs() > 0
    assert not by_y[torch.arange(N) != 2].any()


def test_what_has_no_tensors_is_refused(generator: Generator, electron: Inclusive) -> None:
    with pytest.raises(InputError, match="4 events need 4 electrons"):
        generator.sample_tensors(4, electron=electron)
    with pytest.raises(InputError, match="has no tensors"):
        load("ep-dis-10x275-image").sample_tensors(4)
