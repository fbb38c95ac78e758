import pytest
import torch
from torch import nn

from cloudchamber.train.ema import Ema


def closed_form(values: list[float], decay: float) -> float:
    """The average as an explicit sum over the weights' history, values[0] being the start."""
    decays = [min(decay, (1 + n) / (10 + n)) for n in range(len(values) - 1)]
    shares = [1.0] + [1 - d for d in decays]
    total = 0.0
    for n, value in enumerate(values):
        kept = 1.0
        for d in decays[n:]:
            kept *= d
        total += shares[n] * kept * value
    return total


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.999])
def test_average_equals_its_closed_form(decay: float) -> None:
    history = [1.0, 5.0, -3.0, 2.0, 2.0, 7.0]
    weight = nn.Parameter(torch.tensor([history[0]], dtype=torch.float64))
    ema = Ema({"weight": weight}, decay)
    for value in history[1:]:
        weight.data.fill_(value)
        ema.update()
    assert ema.averages["weight"].item() == pytest.approx(closed_form(history, decay), rel=1e-12)


def test_parameters_hold_averages_inside_the_block_only() -> None:
    weight = nn.Parameter(torch.zeros(3))
    ema = Ema({"weight": weight}, 0.5)
    weight.data.fill_(10.0)
    ema.update()
    average = ema.averages["weight"].clone()
    with ema.in_place():
        assert torch.equal(weight, average)
    assert weight.tolist() == [10.0] * 3
    assert torch.equal(ema.averages["weight"], average)


def test_averages_are_restored_after_a_failure() -> None:
    weight = nn.Parameter(torch.zeros(1))
    ema = Ema({"weight": weight}, 0.5)
    weight.data.fill_(1.0)
    with pytest.raises(RuntimeError), ema.in_place():
        raise RuntimeError
    assert weight.item() == 1.0
