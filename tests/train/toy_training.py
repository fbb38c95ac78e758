"""A model and a stream small enough to follow by hand."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng
from cloudchamber.train.config import TrainingConfig
from cloudchamber.train.learner import Learner
from cloudchamber.train.team import gather_team
from cloudchamber.train.trainer import train


class Regression(nn.Module):
    """A noisy regression in two parts, whose losses depend on the random stream."""

    def __init__(self, seed: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.first = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1))
            self.second = nn.Linear(3, 2)

    def parts(self) -> dict[str, nn.Module]:
        return {"first": self.first, "second": self.second}

    def losses(self, rows: Batch, rng: Rng) -> dict[str, Tensor]:
        x = rows.x + 0.1 * rng.normal(3)
        return {
            "first": (self.first(x)[:, 0] - rows.x.prod(-1)).square(),
            "second": (self.second(x) - rows.x[:, :2] + 0.1 * rng.uniform(2)).square().mean(-1),
        }


class ToyStream:
    """Batch n is a function of n."""

    def __init__(self, size: int = 16, weighted: bool = True) -> None:
        self.size, self.weighted, self.position = size, weighted, 0

    def __next__(self) -> Batch:
        generator = torch.Generator().manual_seed(self.position)
        self.position += 1
        x = torch.randn(self.size, 3, generator=generator)
        weight = torch.rand(self.size, generator=generator) + 0.5
        return Batch(x, weight if self.weighted else torch.ones(self.size))

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.position = state["position"]


def held_out() -> list[Batch]:
    stream = ToyStream()
    stream.position = 10_000
    return [next(stream), next(stream)]


def settings(**changes: Any) -> TrainingConfig:  # noqa: ANN401
    usual = {
        "warm_up_steps": 5,
        "precision": "float32",
        "log_steps": 5,
        "validation_steps": 10,
        "device": "cpu",
    }
    return TrainingConfig(**{**usual, **changes})


def two_processes(out: Path) -> None:
    """Gradients of one step, then a run of 20 steps."""
    config = settings(steps=20, clip_norm=None)
    with gather_team("cpu") as team:
        model = Regression(seed=team.rank)  # the first process's weights count
        Learner(model, config, team).advance(next(ToyStream(15)), 0.0)
        if team.leads:
            torch.save({name: p.grad.clone() for name, p in model.named_parameters()}, out / "gradients.pt")
        train(Regression(), ToyStream(15), held_out(), config, out / "run")


if __name__ == "__main__":
    if sys.argv[1] == "share":
        two_processes(Path(sys.argv[2]))
    else:
        result = train(Regression(), ToyStream(), held_out(), settings(steps=10**7), Path(sys.argv[2]))
        print(result.signal, result.step)  # noqa: T201
