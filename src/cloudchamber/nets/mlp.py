"""A conditional multilayer perceptron for vectors."""

import torch
from torch import Tensor, nn

from cloudchamber.nets.embed import Fourier
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
    """

    def __init__(self, features: int, context: int = 0, width: int = 128, depth: int = 3) -> None:
        super().__init__()
        self.embed = Fourier(features + context, frequencies=6, lowest=0.5, highest=8.0)
        self.time = Fourier(1, frequencies=8, lowest=1.0, highest=30.0)
        self.inputs = mlp(self.embed.out_features + self.time.out_features, width)
        self.hidden = nn.ModuleList(mlp(width, width, width) for _ in range(depth))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.outputs = nn.Linear(width, features)

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The network's output.

        Args:
            x: shape (B, F).
            t: shape (B,).
            given: its `context` (B, C) is used.
        """
        values = x if given.context is None else torch.cat([x, given.context], dim=-1)
        h = self.inputs(torch.cat([self.embed(values), self.time(t[:, None])], dim=-1))
        for norm, layer in zip(self.norms, self.hidden, strict=True):
            h = h + layer(norm(h))
        out: Tensor = self.outputs(h)
        return out
