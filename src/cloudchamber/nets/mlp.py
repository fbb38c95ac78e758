"""A conditional multilayer perceptron for vectors."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cloudchamber.nets.embed import Fourier, widened
from cloudchamber.nets.layers import mlp
from cloudchamber.tensors.batch import Batch

__all__ = ["VectorNet"]


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
