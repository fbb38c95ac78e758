"""Tensors by name: the parts of a whole have names that begin with the name of the part and a dot."""

from collections.abc import Mapping

from torch import Tensor

__all__ = ["named", "part"]


def named(name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a part, with the names that they have in the whole; `part` gives them back.

    Args:
        name: of the part.
        state: tensors of the part, by name.
    """
    return {f"{name}.{key}": tensor for key, tensor in state.items()}


def part(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors of a part, with the names that they have in the part.

    Args:
        state: tensors of the whole, by name.
        name: of the part.

    >>> import torch
    >>> whole = named("maps", {"x": torch.zeros(2)}) | named("pool", {"y": torch.ones(1)})
    >>> list(part(whole, "maps"))
    ['x']
    """
    start = f"{name}."
    return {key.removeprefix(start): tensor for key, tensor in state.items() if key.startswith(start)}
