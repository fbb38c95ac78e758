"""The residual network of CaloScore v2 for the energies of layers (arXiv:2308.03847 and its public code)."""

from torch import Tensor, nn
from torch.nn import functional

from cloudchamber.nets.calorimeter import Conditions, ModulatedResidual
from cloudchamber.tensors.batch import Batch

__all__ = ["LayerNet"]


class LayerNet(nn.Module):
    """(x, t, context) -> a vector of the size of x.

    Args:
        features: size F of x.
        context: size C of the context.
        width: hidden width.
        blocks: residual blocks.
        embed: width of the condition.
    """

    def __init__(self, features: int, context: int, *, width: int = 1024, blocks: int = 2, embed: int = 64) -> None:
        super().__init__()
        self.conditions = Conditions([context], embed)
        self.embed, self.inputs = nn.Linear(embed, width), nn.Linear(features, width)
        self.blocks = nn.ModuleList(ModulatedResidual(width) for _ in range(blocks))
        self.outputs = nn.Linear(width, features)

    def forward(self, x: Tensor, t: Tensor, given: Batch) -> Tensor:
        """The network's output.

        Args:
            x: shape (B, F).
            t: shape (B,).
            given: its `context` (B, C) is used.
        """
        assert given.context is not None
        condition = functional.leaky_relu(self.embed(self.conditions(t, given.context)), 0.01)
        h = self.inputs(x)
        for block in self.blocks:
            h = block(h, condition)
        out: Tensor = self.outputs(h)
        return out
