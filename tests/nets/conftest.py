from collections.abc import Callable

import pytest
import torch
from torch import nn


@pytest.fixture
def awake() -> Callable[[nn.Module], nn.Module]:
    """Gives every parameter a random value: gates and outputs that start at zero would hide mistakes."""

    def wake(net: nn.Module) -> nn.Module:
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
        return net.double().eval()

    return wake
