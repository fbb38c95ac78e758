"""What a model must offer to be trained, sampled or asked for densities.

Each role is one verb. Training minimises L = sum_b w_b sum_k l_k(b) / sum_b w_b, where l_k(b) are the
losses that `Trainable.losses` reports for event b of a batch and w_b is its weight: the losses come
unreduced, so that weights apply and an average does not depend on how a batch is divided among processes.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, Self, TypeVar

from torch import Tensor, nn

from cloudchamber.tensors.batch import Rows
from cloudchamber.tensors.rng import Rng

__all__ = ["Samplable", "Scorable", "Trainable"]

InRows_contra = TypeVar("InRows_contra", bound=Rows, contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)


class Trainable(Protocol[InRows_contra]):
    """A `torch.nn.Module` with losses per event.

    A model may also have a method `parts() -> Mapping[str, nn.Module]`: the gradients of each part are then
    clipped and logged separately, so that one stage of a chain does not slow the others.
    """

    def losses(self, rows: InRows_contra, rng: Rng) -> Mapping[str, Tensor]:
        """Losses by name, each of shape (B,) and unreduced; their sum is minimised.

        Args:
            rows: B events. Set dimensions must stay as padded: the rows may be a slice of a larger batch.
            rng: the random numbers of these rows.
        """
        ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """As of `torch.nn.Module`."""
        ...

    def buffers(self) -> Iterator[Tensor]:
        """As of `torch.nn.Module`."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """As of `torch.nn.Module`."""
        ...

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """As of `torch.nn.Module`.

        Args:
            state_dict: values by name.
        """
        ...

    def train(self, mode: bool = True) -> Self:
        """As of `torch.nn.Module`.

        Args:
            mode: training or evaluation.
        """
        ...

    def to(self, device: Any) -> Self:  # noqa: ANN401
        """As of `torch.nn.Module`.

        Args:
            device: where to.
        """
        ...


class Samplable(Protocol[InRows_contra, Out_co]):
    """A model that draws what it has learnt."""

    def sample(self, given: InRows_contra, rng: Rng) -> Out_co:
        """Draw once for each row of the conditions.

        Args:
            given: conditions; values that are drawn only give the shape.
            rng: the random numbers of these rows.
        """
        ...


class Scorable(Protocol[InRows_contra]):
    """A model that knows its density."""

    def log_prob(self, rows: InRows_contra) -> Tensor:
        """Natural logarithm of the density of each row, shape (B,).

        Args:
            rows: B events.
        """
        ...
