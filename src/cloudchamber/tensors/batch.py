"""What a model sees: a batch of rows, or a bundle of batches for a chain of models.

A batch holds B rows. `x` are the values to model, (B, F) for vectors or (B, N, F) for sets; `context` is given per
row, (B, C); `tokens` (B, N) and `token_context` (B, N, D) are given per element of a set; `mask` (B, N) is true where
an element is real. Padding stands at the end of the set dimension.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Protocol, Self

import torch
from torch import Tensor

__all__ = ["Batch", "Bundle", "Rows"]


class Rows(Protocol):
    """What training needs to know of its data: rows that can be selected, trimmed and moved."""

    def __len__(self) -> int: ...

    @property
    def lengths(self) -> Tensor:
        """Real elements of each row, shape (B,)."""
        ...

    @property
    def weight(self) -> Tensor:
        """Event weights, shape (B,)."""
        ...

    def select(self, index: Tensor) -> Self:
        """Some rows, in the order of `index`."""
        ...

    def trim(self) -> Self:
        """The same rows without padding that all of them share."""
        ...

    def to(self, device: torch.device | str) -> Self:
        """The same rows on another device."""
        ...


@dataclass(frozen=True)
class Batch:
    """Rows for one model; see the module's text for shapes.

    >>> batch = Batch(torch.zeros(2, 5, 3), torch.ones(2), mask=torch.arange(5) < torch.tensor([[2], [3]]))
    >>> batch.trim().x.shape
    torch.Size([2, 3, 3])
    """

    x: Tensor
    weight: Tensor
    context: Tensor | None = None
    mask: Tensor | None = None
    tokens: Tensor | None = None
    token_context: Tensor | None = None

    def __len__(self) -> int:
        return len(self.weight)

    @property
    def lengths(self) -> Tensor:
        """Real elements of each row, shape (B,); ones for vectors."""
        return torch.ones(len(self), dtype=torch.long) if self.mask is None else self.mask.sum(1)

    def select(self, index: Tensor) -> "Batch":
        """Some rows.

        Args:
            index: row numbers, shape (b,).
        """
        return self._map(lambda name, t: t[index])

    def trim(self) -> "Batch":
        """The same rows without padding that all of them share."""
        return self if self.mask is None else self.pad_to(int(self.lengths.max()))

    def pad_to(self, length: int) -> "Batch":
        """The same rows cut to a common length.

        Args:
            length: elements to keep, at least the longest row's and at most the present padded length.
        """
        per_element = ("mask", "tokens", "token_context") + (("x",) if self.x.dim() == 3 else ())
        return self._map(lambda name, t: t[:, :length] if name in per_element else t)

    def to(self, device: torch.device | str) -> "Batch":
        """The same rows on another device.

        Args:
            device: where to.
        """
        return self._map(lambda name, t: t.to(device, non_blocking=True))

    def _map(self, change: Callable[[str, Tensor], Tensor]) -> "Batch":
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: change(name, t) for name, t in values.items() if t is not None})


@dataclass(frozen=True)
class Bundle:
    """The same rows as several models of a chain see them, by the model's name."""

    parts: Mapping[str, Batch]

    def __len__(self) -> int:
        return len(self._first)

    def __getitem__(self, name: str) -> Batch:
        return self.parts[name]

    @property
    def lengths(self) -> Tensor:
        """Real elements of each row in the longest part, shape (B,)."""
        return torch.stack([part.lengths for part in self.parts.values()]).amax(0)

    @property
    def weight(self) -> Tensor:
        """Event weights, shape (B,)."""
        return self._first.weight

    def select(self, index: Tensor) -> "Bundle":
        """Some rows of every part.

        Args:
            index: row numbers, shape (b,).
        """
        return Bundle({name: part.select(index) for name, part in self.parts.items()})

    def trim(self) -> "Bundle":
        """The same rows without padding that all of them share."""
        return Bundle({name: part.trim() for name, part in self.parts.items()})

    def to(self, device: torch.device | str) -> "Bundle":
        """The same rows on another device.

        Args:
            device: where to.
        """
        return Bundle({name: part.to(device) for name, part in self.parts.items()})

    @property
    def _first(self) -> Batch:
        return next(iter(self.parts.values()))
