"""Batches joined end to end, and their size in memory.

Sets of different padded lengths are padded with zeros (false in the mask) to the longest.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields

import torch
from torch import Tensor
from torch.nn.functional import pad

from cloudchamber.tensors.batch import Batch, Bundle

__all__ = ["join", "size_in_bytes"]


def join(parts: Sequence[Batch | Bundle]) -> Batch | Bundle:
    """The rows of all parts, one part after the other.

    Args:
        parts: at least one, all of the same kind and with the same fields.

    >>> mask = torch.ones(2, 5).bool()
    >>> both = join([Batch(torch.zeros(2, n, 3), torch.ones(2), mask=mask[:, :n]) for n in (4, 5)])
    >>> both.x.shape, both.lengths.tolist()
    (torch.Size([4, 5, 3]), [4, 4, 5, 5])
    """
    if len(parts) == 1:
        return parts[0]
    bundles = [part for part in parts if isinstance(part, Bundle)]
    if bundles:
        return Bundle({name: _join([bundle[name] for bundle in bundles]) for name in bundles[0].parts})
    return _join([part for part in parts if isinstance(part, Batch)])


def size_in_bytes(rows: Batch | Bundle) -> int:
    """Memory that the tensors of some rows take.

    Args:
        rows: a batch or a bundle.
    """
    batches = rows.parts.values() if isinstance(rows, Bundle) else [rows]
    return sum(tensor.nbytes for batch in batches for _, tensor in _tensors(batch))


def _join(batches: Sequence[Batch]) -> Batch:
    longest = max((b.mask.shape[1] for b in batches if b.mask is not None), default=0)
    names = [name for name, _ in _tensors(batches[0])]
    return Batch(**{name: torch.cat([_padded(batch, name, longest) for batch in batches]) for name in names})


def _padded(batch: Batch, name: str, length: int) -> Tensor:
    """A field with `length` elements, if it has a dimension of elements."""
    values: Tensor = getattr(batch, name)
    per_element = name in ("mask", "tokens", "token_context") or (name == "x" and values.dim() == 3)
    missing = length - values.shape[1] if per_element and batch.mask is not None else 0
    return pad(values, (0, 0) * (values.dim() - 2) + (0, missing)) if missing else values


def _tensors(batch: Batch) -> Iterable[tuple[str, Tensor]]:
    values = ((field.name, getattr(batch, field.name)) for field in fields(batch))
    return ((name, tensor) for name, tensor in values if tensor is not None)
