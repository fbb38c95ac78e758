import pytest
import torch
from torch import nn

from cloudchamber.errors import InputError
from cloudchamber.train.config import TrainingConfig
from cloudchamber.train.optim import Lion, make_optimizer


def test_lion_equals_a_calculation_by_hand() -> None:
    weight = nn.Parameter(torch.tensor([[1.0, -2.0]], dtype=torch.float64))
    optimizer = Lion([weight], lr=0.1, betas=(0.9, 0.99), weight_decay=0.5)
    # Step 1: m = 0, c = 0.1 g, m <- 0.01 g. Step 2: c = 0.9 m + 0.1 g, whose second component is
    # 0.9 * 0.01 * (-4) + 0.1 * 0.3 = -0.006: the average outweighs the gradient.
    weight.grad = torch.tensor([[3.0, -4.0]], dtype=torch.float64)
    optimizer.step()
    assert weight.tolist()[0] == pytest.approx([1.0 * 0.95 - 0.1, -2.0 * 0.95 + 0.1])
    weight.grad = torch.tensor([[1.0, 0.3]], dtype=torch.float64)
    optimizer.step()
    assert weight.tolist()[0] == pytest.approx([0.85 * 0.95 - 0.1, -1.8 * 0.95 + 0.1])
    average = optimizer.state[weight]["average"].tolist()[0]
    assert average == pytest.approx([0.99 * 0.03 + 0.01, 0.99 * -0.04 + 0.003])


def test_a_weight_without_gradient_does_not_move() -> None:
    weight = nn.Parameter(torch.ones(2))
    Lion([weight]).step()
    assert weight.tolist() == [1.0, 1.0]


def test_adamax_equals_a_calculation_by_hand() -> None:
    weight = nn.Parameter(torch.tensor([[1.0]], dtype=torch.float64))
    config = TrainingConfig(steps=1, optimizer="adamax", learning_rate=0.1, betas=(0.9, 0.999), weight_decay=0.0)
    made = make_optimizer([weight], config)
    for gradient in (2.0, -1.0):
        weight.grad = torch.full((1, 1), gradient, dtype=torch.float64)
        made.step()
    # m = 0.2, then 0.9 * 0.2 - 0.1 = 0.08; u = 2, then 0.999 * 2; steps 0.1 / (1 - 0.9^n) * m / u.
    assert weight.item() == pytest.approx(1 - 0.1 - 0.1 / 0.19 * 0.08 / 1.998, rel=1e-6)


def test_what_decays_with_adamax_is_refused() -> None:
    with pytest.raises(InputError, match="adamax has no weight decay"):
        TrainingConfig(steps=1, optimizer="adamax", weight_decay=0.01)


@pytest.mark.parametrize("optimizer", ["adamw", "lion"])
def test_only_matrices_decay(optimizer: str) -> None:
    matrix, vector = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    config = TrainingConfig(steps=1, optimizer=optimizer, learning_rate=0.1, weight_decay=0.5)
    made = make_optimizer([matrix, vector], config)
    matrix.grad, vector.grad = torch.zeros(2, 2), torch.zeros(2)
    made.step()
    assert matrix[0, 0].item() == pytest.approx(0.95)
    assert vector[0].item() == 1.0
