"""Optimisers.

AdamW (arXiv:1711.05101) and Adamax (arXiv:1412.6980, Sec. 7.1) come from torch. Lion (arXiv:2302.06675, algorithm 2)
keeps one average m of the gradients g and moves every weight w by the same amount:

    c = beta1 m + (1 - beta1) g,   w <- w - eta (sign c + lambda w),   m <- beta2 m + (1 - beta2) g.
"""

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import nn
from torch.optim.optimizer import Optimizer

from cloudchamber.models.bayesian import LogVariance
from cloudchamber.train.config import TrainingConfig

__all__ = ["Lion", "make_optimizer", "set_rate"]

_PACE = "pace"
_FASTER = 10.0
"""Step size of log-variances in units of that of weights. Adaptive optimisers move every number by about their step
size, and a log-variance has several units to go where a weight has a tenth."""


class Lion(Optimizer):
    """Lion, arXiv:2302.06675.

    Args:
        params: parameters or groups of them.
        lr: step size eta.
        betas: (beta1, beta2).
        weight_decay: lambda.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move all weights that have a gradient.

        Args:
            closure: not used.
        """
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    average = self.state[weight].setdefault("average", torch.zeros_like(weight))
                    _move(weight, weight.grad, average, group)
        return None


def _move(weight: torch.Tensor, gradient: torch.Tensor, average: torch.Tensor, group: dict[str, Any]) -> None:
    rate, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
    direction = average.lerp(gradient, 1 - beta1).sign_()
    weight.mul_(1 - rate * decay).sub_(direction, alpha=rate)
    average.lerp_(gradient, 1 - beta2)


def make_optimizer(parameters: Iterable[nn.Parameter], config: TrainingConfig) -> Optimizer:
    """The optimiser that the settings name; matrices decay, vectors and log-variances do not.

    Args:
        parameters: what to train.
        config: settings.
    """
    everything = list(parameters)
    weights = [w for w in everything if not isinstance(w, LogVariance)]
    groups: list[dict[str, Any]] = [
        {"params": [w for w in weights if w.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [w for w in weights if w.dim() < 2], "weight_decay": 0.0},
        {"params": [w for w in everything if isinstance(w, LogVariance)], "weight_decay": 0.0, _PACE: _FASTER},
    ]
    groups = [group for group in groups if group["params"]]
    if config.optimizer == "lion":
        return Lion(groups, lr=config.learning_rate, betas=config.betas)
    if config.optimizer == "adamax":
        return torch.optim.Adamax(groups, lr=config.learning_rate, betas=config.betas)
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the step size of the next step, in each group at its own pace.

    Args:
        optimizer: of `make_optimizer`.
        rate: of ordinary weights.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get(_PACE, 1.0)
