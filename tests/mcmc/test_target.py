"""The density on the line: Jacobians, and errors that name the point."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cloudchamber.errors import InputError
from cloudchamber.mcmc.target import Target

Array = NDArray[np.float64]


def test_a_uniform_density_becomes_logistic() -> None:
    target = Target(lambda x: 0.0, 1, [(0.0, 1.0)])
    u = torch.tensor([[-3.0], [0.0], [40.0]]).double()
    expected = -u[:, 0] - 2 * torch.nn.functional.softplus(-u[:, 0])
    assert torch.allclose(target(u), expected)


def test_the_whole_probability_is_kept() -> None:
    """A normal density on a half-line and an exponential one between bounds integrate to one on the line."""
    target = Target(lambda x: -(x**2).sum(-1) / 2 + math.log(math.sqrt(2 / math.pi)), 1, [(0.0, None)], vectorize=True)
    u = torch.linspace(-40, 5, 200001, dtype=torch.float64)[:, None]
    assert float(target(u).exp().sum() * (u[1] - u[0])) == pytest.approx(1, abs=1e-6)


def test_one_point_and_many_agree_and_are_counted() -> None:
    one = Target(lambda x: -float(x @ x), 3)
    many = Target(lambda x: -(x**2).sum(1), 3, vectorize=True)
    u = torch.randn(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.allclose(one(u), many(u))
    assert one.evaluations == many.evaluations == 5


@pytest.mark.parametrize("vectorize", [False, True])
@pytest.mark.parametrize(
    ("what", "words"), [("nan", "gives nan"), ("inf", "gives inf"), ("raise", "ZeroDivisionError")]
)
def test_errors_name_the_point(vectorize: bool, what: str, words: str) -> None:
    def one(x: Array) -> float:
        if x[0] > 0 and what == "raise":
            raise ZeroDivisionError("no way")
        return float(what) if x[0] > 0 else 0.0

    def many(x: Array) -> Any:  # noqa: ANN401
        return np.array([one(point) for point in x])

    target = Target(many if vectorize else one, 2, vectorize=vectorize)
    with pytest.raises(InputError) as error:
        target(torch.tensor([[-1.0, 0.0], [0.25, 7.5]]).double())
    assert words in str(error.value)
    assert "(0.25, 7.5)" in str(error.value)


def test_minus_infinity_is_no_error() -> None:
    assert Target(lambda x: -math.inf, 1)(torch.zeros(1, 1).double()).tolist() == [-math.inf]


@pytest.mark.parametrize(
    ("answer", "words"),
    [(lambda x: np.zeros(3), "3 numbers for 2 points"), (lambda x: ["a", "b"], "not a number")],
)
def test_answers_of_the_wrong_kind_are_refused(answer: Any, words: str) -> None:  # noqa: ANN401
    with pytest.raises(InputError, match=words):
        Target(answer, 1, vectorize=True)(torch.zeros(2, 1).double())


@pytest.mark.parametrize(("bounds", "words"), [([(1.0, 0.0)], "impossible"), ([None, None], "2 bounds for 1")])
def test_bounds_must_fit(bounds: Any, words: str) -> None:  # noqa: ANN401
    with pytest.raises(InputError, match=words):
        Target(lambda x: 0.0, 1, bounds)


def test_starts_must_be_inside() -> None:
    with pytest.raises(InputError, match=r"start \(2\) is not inside"):
        Target(lambda x: 0.0, 1, [(0.0, 1.0)]).to_line(np.array([[2.0]]))
