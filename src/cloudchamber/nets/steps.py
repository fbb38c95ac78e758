"""Sequences of steps, each of a kind and with real numbers, to the logits of what comes next."""

from torch import Tensor, nn
from torch.nn import functional

from cloudchamber.nets.causal import CausalTrunk
from cloudchamber.nets.embed import Fourier
from cloudchamber.nets.layers import Past, mlp

__all__ = ["StepNet"]


class StepNet(nn.Module):
    """(kinds, numbers, context) -> logits of each step, which depend on it and those before.

    Args:
        kinds: of steps.
        numbers: that describe a step.
        context: size C of what is known of the whole sequence.
        classes: size of the output at each step.
        width: features of a step.
        depth: blocks.
        heads: attention heads.
        dropout: see `nets.layers.ModulatedBlock`.
    """

    def __init__(
        self, kinds: int, numbers: int, context: int, classes: int, *, width: int = 64, depth: int = 3, heads: int = 4,
        dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kinds = nn.Embedding(kinds, width)
        self.features = Fourier(numbers, frequencies=4, lowest=0.5, highest=6.0)
        self.inputs = nn.Linear(self.features.out_features, width)
        self.condition = mlp(context, width, width)
        self.trunk = CausalTrunk(width, depth, heads, dropout=dropout)
        self.outputs = nn.Linear(width, classes)

    def forward(self, kinds: Tensor, numbers: Tensor, context: Tensor) -> Tensor:
        """Logits, shape (B, N, classes).

        Args:
            kinds: shape (B, N).
            numbers: shape (B, N, numbers).
            context: shape (B, C).
        """
        condition = functional.silu(self.condition(context))
        logits: Tensor = self.outputs(self.trunk(self._inputs(kinds, numbers), condition))
        return logits

    def begin(self, context: Tensor) -> list[Past]:
        """What is known before the first step.

        Args:
            context: shape (B, C).
        """
        return self.trunk.begin(functional.silu(self.condition(context)))

    def step(self, kinds: Tensor, numbers: Tensor, past: list[Past]) -> Tensor:
        """Logits of one more step, shape (B, classes); `past` is brought up to date.

        Args:
            kinds: shape (B,).
            numbers: shape (B, numbers).
            past: of the steps before.
        """
        logits: Tensor = self.outputs(self.trunk.step(self._inputs(kinds, numbers), past))
        return logits

    def _inputs(self, kinds: Tensor, numbers: Tensor) -> Tensor:
        inputs: Tensor = self.kinds(kinds) + self.inputs(self.features(numbers))
        return inputs
