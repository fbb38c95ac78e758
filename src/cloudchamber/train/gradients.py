"""Gradients in one piece of memory, so that processes can add theirs in one message.

Every parameter's gradient is a view of a flat tensor. Parts of a model are clipped separately, or every parameter is:
g <- g min(1, c / |g|).
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from cloudchamber.train.config import ClippedBy

__all__ = ["Gradients"]


class Gradients:
    """Gradients of all parameters.

    Args:
        parts: parameters by the part they belong to; each in one part only.
    """

    def __init__(self, parts: Mapping[str, Sequence[nn.Parameter]]) -> None:
        self._parts = {name: list(part) for name, part in parts.items() if part}
        everything = [p for part in self._parts.values() for p in part]
        kinds = {(p.dtype, p.device) for p in everything}
        self._flat = [_flatten([p for p in everything if (p.dtype, p.device) == kind]) for kind in kinds]

    def zero(self) -> None:
        """Forget the last step."""
        for flat in self._flat:
            flat.zero_()

    def add(self, over_processes: Callable[[Tensor], None]) -> None:
        """Add the gradients of all processes.

        Args:
            over_processes: adds a tensor in place.
        """
        for flat in self._flat:
            over_processes(flat)

    def clip(self, norm: float | None, each: ClippedBy = "part") -> dict[str, Tensor]:
        """Clip and return the norms of all parts before.

        Args:
            norm: the largest allowed; None for no clipping.
            each: what is clipped by a norm of its own.
        """
        limit = float("inf") if norm is None else norm
        by_part = limit if each == "part" else float("inf")
        norms = {name: nn.utils.clip_grad_norm_(part, by_part) for name, part in self._parts.items()}
        if each == "parameter":
            for parameter in (p for part in self._parts.values() for p in part):
                nn.utils.clip_grad_norm_(parameter, limit)
        return norms


def _flatten(parameters: Sequence[nn.Parameter]) -> Tensor:
    """Zero gradients of some parameters, as views of the flat tensor that is returned."""
    flat = torch.zeros(sum(p.numel() for p in parameters), dtype=parameters[0].dtype, device=parameters[0].device)
    for parameter, piece in zip(parameters, torch.split(flat, [p.numel() for p in parameters]), strict=True):
        parameter.grad = piece.view_as(parameter)
    return flat
