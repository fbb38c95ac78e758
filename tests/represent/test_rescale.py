"""Equations 13 to 17 of arXiv:2310.16308: their constraints, and a bijection for all constants."""

import numpy as np
import pytest
import torch
from torch import Tensor

from cloudchamber.represent.rescale import RESCALINGS, WINDOW, Constants, Rescaling, Straight, Stretched

RANGE = torch.cat([torch.zeros(1), torch.logspace(-9, 0, 20_001)]).double()
"""The whole range of z, from nothing to 1, evenly in the logarithm."""
CHOICES = (
    Constants(0.2, 0.8, 5.0, 1e-3, 10.0, 0.5),
    Constants(0.69, 0.78, 4.6, 0.015, 11.8, 0.0),
    Constants(0.01, 0.99, 40.0, 1e-5, 100.0, 1.0),
    Constants(0.5, 0.51, 0.1, 1.0, 1.0, 0.3),
)


def mapped() -> list[Rescaling]:
    return [Straight(), *(Stretched(constants) for constants in CHOICES)]


@pytest.mark.parametrize("constants", CHOICES)
def test_both_sides_touch_the_straight_line(constants: Constants) -> None:
    """Equation 17: value and slope, by automatic differentiation."""
    stretched = Stretched(constants)
    for side, at in ((stretched._exponential, constants.z2), (stretched._logarithm, constants.z1)):
        z = torch.tensor(at, dtype=torch.float64, requires_grad=True)
        value: Tensor = side(z)
        (slope,) = torch.autograd.grad(value, z)
        assert value.item() == pytest.approx(at, rel=1e-12)
        assert slope.item() == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("rescaling", mapped())
def test_it_is_a_bijection_over_the_whole_range(rescaling: Rescaling) -> None:
    values = rescaling.forward(RANGE)
    assert (values.diff() > 0).all()
    assert values[[0, -1]].tolist() == pytest.approx(WINDOW, abs=1e-12)
    torch.testing.assert_close(rescaling.inverse(values), RANGE, atol=1e-12, rtol=1e-6)
    beyond = torch.tensor([1.2, 2.0], dtype=torch.float64)  # networks do not stop at 1
    torch.testing.assert_close(rescaling.inverse(rescaling.forward(beyond)), beyond)
    assert rescaling.inverse(torch.tensor([-1.0, -0.77])).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("rescaling", mapped())
def test_the_log_determinant_is_that_of_automatic_differentiation(rescaling: Rescaling) -> None:
    z = RANGE[::100].clone().requires_grad_()
    (slope,) = torch.autograd.grad(rescaling.forward(z).sum(), z)
    torch.testing.assert_close(rescaling.log_det(z.detach()), slope.log(), atol=1e-8, rtol=1e-8)


def test_fitted_constants_even_out_both_ends() -> None:
    """Soft hadrons and hard electrons, thousandfold too many in one bin of twelve, become nearly flat."""
    rng = np.random.default_rng(3)
    soft, hard = np.exp(rng.uniform(np.log(1e-3), np.log(0.3), 20_000)), 1 - 0.2 * rng.random(20_000) ** 3
    fitted = Stretched.fit([soft, hard])

    def entropy(rescaling: Rescaling) -> float:
        values = rescaling.forward(torch.from_numpy(np.concatenate([soft, hard]))).numpy()
        share = np.histogram(values, np.linspace(*WINDOW, 13))[0] / 40_000
        return float(-(share[share > 0] * np.log(share[share > 0])).sum() / np.log(12))

    assert entropy(Straight()) < 0.7
    assert entropy(fitted) > 0.9
    assert entropy(fitted) > max(entropy(Stretched(constants)) for constants in CHOICES)


@pytest.mark.parametrize("rescaling", mapped())
def test_state_holds_the_whole_map(rescaling: Rescaling) -> None:
    kind = next(kind for kind in RESCALINGS.values() if isinstance(rescaling, kind))
    assert torch.equal(kind.from_state(rescaling.state()).forward(RANGE), rescaling.forward(RANGE))


@pytest.mark.parametrize("changed", [{"z1": 0.9}, {"z2": 1.0}, {"c1": 0.0}, {"c2": -1.0}, {"alpha": -1.0}])
def test_constants_without_a_bijection_are_refused(changed: dict[str, float]) -> None:
    numbers = {"z1": 0.2, "z2": 0.8, "c1": 5.0, "c2": 1e-3, "alpha": 10.0, "beta": 0.5} | changed
    with pytest.raises(ValueError, match="no bijection"):
        Stretched(Constants(**numbers))
