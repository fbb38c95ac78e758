"""Which showers train and which validate: of every file the last ones validate, as of files of events."""

import math
from dataclasses import dataclass
from pathlib import Path

from cloudchamber.errors import InputError
from cloudchamber.events import Showers
from cloudchamber.formats import showers as files

__all__ = ["ShowerPiece", "ShowerSplit", "split_showers"]


@dataclass(frozen=True)
class ShowerPiece:
    """Showers `start` to `stop` of a file."""

    path: Path
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def read(self) -> Showers:
        """The showers.

        Raises:
            InputError: if the file is damaged.
        """
        return files.read(self.path, limit=self.stop)[self.start :]


@dataclass(frozen=True)
class ShowerSplit:
    """Pieces for training and pieces for validation, with no shower in both."""

    train: list[ShowerPiece]
    validation: list[ShowerPiece]


def split_showers(data: Path, fraction: float = 0.02) -> ShowerSplit:
    """Divide the showers of a file, or of all files of a folder.

    Args:
        data: a file or a folder.
        fraction: share of the showers of each file that validate; at least one.

    Raises:
        InputError: if there is no file, a file is damaged, or one has fewer than two showers.
    """
    train, validation = [], []
    for path in files.parts(data):
        total = files.rows(path)
        if total < 2:
            raise InputError(f"'{path}' holds {total} shower(s), but training and validation need at least one each.")
        border = max(total - math.ceil(fraction * total), 1)
        train.append(ShowerPiece(path, 0, border))
        validation.append(ShowerPiece(path, border, total))
    return ShowerSplit(train, validation)
