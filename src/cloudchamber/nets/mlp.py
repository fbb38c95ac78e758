"""Conditional multilayer perceptrons for vectors."""

from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from cloudchamber.nets.embed import Fourier, widened
from cloudchamber.nets.layers import mlp
from cloudchamber.tensors.batch import Batch

__all__ = ["TangentNet", "VectorNet"]


class VectorNet(nn.Module):
    """(x, t, context) -> a vector of the size of x.

    Args:
        features: size F of x.
        context: size C of the context; 0 for none.
        width: hidden width.
        depth: hidden residual layers.
        outputs: size of the output; F by default.
        times: numbers that say where on the path x is.
    """

    def __init__(
        self,
        features: int,
        context: int = 0,
        width: int = 128,
        depth: int = 3,
        *,
        outputs: int | None = None,
        times: int = 1,
    ) -> None:
        super().__init__()
        self.embed = Fourier(features + context, frequencies=6, lowest=0.5, highest=8.0)
        self.time = Fourier(times, frequencies=8, lowest=1.0, highest=30.0)
        self.inputs = mlp(self.embed.out_features + self.time.out_features, width)
        self.hidden = nn.ModuleList(mlp(width, width, width) for _ in range(depth))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.outputs = nn.Linear(width, outputs or features)

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The network's output.

        Args:
            x: shape (B, F).
            t: shape (B,), or (B, times).
            given: its `context` (B, C) is used.
        """
        values = x if given.context is None else torch.cat([x, given.context], dim=-1)
        h = self.inputs(torch.cat([self.embed(values), self.time(t.reshape(len(x), -1))], dim=-1))
        for norm, layer in zip(self.norms, self.hidden, strict=True):
            h = h + layer(norm(h))
        out: Tensor = self.outputs(h)
        return out

    def adopt(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the weights of the same network with one time; the other times have no effect at first.

        Args:
            weights: its state.
        """
        first = weights["inputs.0.weight"]
        old = 1 + 2 * len(self.time.frequencies)
        values, time = first[:, :-old], first[:, -old:]
        grown = torch.cat([values, widened(time, self.time.out_features // old - 1)], dim=1)
        self.load_state_dict({**weights, "inputs.0.weight": grown})


class Pushed(NamedTuple):
    """Outputs (B, F) and their changes (D, B, F) along D tangents of the inputs."""

    value: Tensor
    tangents: Tensor


class TangentNet(nn.Module):
    """(x, t, context) -> a vector of the size of x, which is zero before training; for few features and much speed.

    Its derivatives are pushed forward beside its values, which costs less than a backward pass for each feature.

    Args:
        features: size F of x.
        context: size C of the context; 0 for none.
        width: hidden width.
        depth: hidden residual layers.
    """

    def __init__(self, features: int, context: int = 0, width: int = 64, depth: int = 2) -> None:
        super().__init__()
        self.time = Fourier(1, frequencies=4, lowest=1.5, highest=12.0)
        self.values = nn.Linear(features, width)
        self.conditions = nn.Linear(self.time.out_features + context, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.outputs = nn.Linear(width, features)
        nn.init.zeros_(self.outputs.weight)
        nn.init.zeros_(self.outputs.bias)

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The network's output.

        Args:
            x: shape (B, F).
            t: shape (B,).
            given: its `context` (B, C) is used.
        """
        h = functional.silu(self.values(x) + self._conditions(t, given))
        for layer in self.hidden:
            h = h + functional.silu(layer(h))
        out: Tensor = self.outputs(h)
        return out

    def with_tangents(self, x: Tensor, tangents: Tensor, t: Tensor, given: Batch) -> Pushed:
        """The output and its derivatives along tangents, without a graph.

        Args:
            x: shape (B, F).
            tangents: shape (D, B, F).
            t: shape (B,).
            given: its `context` (B, C) is used.
        """
        with torch.no_grad():
            h, slope = _silu(self.values(x) + self._conditions(t, given))
            moved = slope * (tangents @ self.values.weight.T)
            for layer in self.hidden:
                value, slope = _silu(layer(h))
                moved = moved + slope * functional.linear(moved, cast(nn.Linear, layer).weight)
                h = h + value
            return Pushed(self.outputs(h), moved @ self.outputs.weight.T)

    def _conditions(self, t: Tensor, given: Batch) -> Tensor:
        time = self.time(t.reshape(-1, 1))
        inputs = time if given.context is None else torch.cat([time, given.context], dim=-1)
        out: Tensor = self.conditions(inputs)
        return out


def _silu(a: Tensor) -> tuple[Tensor, Tensor]:
    """The activation and its derivative."""
    s = torch.sigmoid(a)
    return a * s, s * (1 + a * (1 - s))
