"""The logit of fractions: inverse, Jacobian, ends."""

import math

import pytest
import torch

from cloudchamber.tensors.logit import StandardLogit


@pytest.fixture
def fractions() -> torch.Tensor:
    torch.manual_seed(4)
    return torch.rand(200, 3).double() ** 6


def test_fractions_come_back(fractions: torch.Tensor) -> None:
    line = StandardLogit.fit([fractions[:120], fractions[120:]])
    z = line.forward(fractions)
    assert z.mean(0).abs().max() < 1e-12
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(3).double())
    torch.testing.assert_close(line.inverse(z), fractions, rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(line.inverse(z.float()), fractions, rtol=1e-5, atol=1e-9)


def test_deviations_have_a_floor(fractions: torch.Tensor) -> None:
    fractions[:, 0] = 0.25
    line = StandardLogit.fit([fractions], least=0.5)
    plain = StandardLogit(torch.zeros(1), torch.ones(1)).forward(fractions)
    assert line.deviation[0].item() == pytest.approx(plain.std(correction=0).item() / 2)
    assert line.forward(fractions)[:, 0].abs().max() < 1e-12


def test_the_ends_are_finite_and_come_back() -> None:
    line = StandardLogit(torch.zeros(1), torch.ones(1), margin=1e-3)
    ends = torch.tensor([[0.0, 1.0]]).double()
    z = line.forward(ends)
    assert z[0, 1].item() == pytest.approx(math.log(0.999 / 0.001))
    torch.testing.assert_close(z[0, 0], -z[0, 1])
    torch.testing.assert_close(line.inverse(z), ends)
    assert line.inverse(torch.tensor([[-100.0, 100.0]])).tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize("shared", [False, True])
def test_the_log_determinant_is_that_of_autograd(fractions: torch.Tensor, shared: bool) -> None:
    line = StandardLogit.fit([fractions.reshape(-1, 1) if shared else fractions])
    for row in fractions[:4]:
        jacobian = torch.func.jacrev(lambda u: line.forward(u[None])[0])(row)
        expected = torch.linalg.slogdet(jacobian).logabsdet.item()
        assert line.log_det(row[None]).item() == pytest.approx(expected, rel=1e-9)
