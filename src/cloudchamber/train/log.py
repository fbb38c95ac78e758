"""Logs of a run: `log.csv`, with a column per quantity and a row per entry, and the same for TensorBoard."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from cloudchamber.errors import InputError

__all__ = ["Logs"]


class Logs:
    """Both logs of a run. Entries after the step where it continues are removed, as they come again.

    Args:
        out: folder of the run.
        step: steps already done.
    """

    def __init__(self, out: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._path = out / "log.csv"
        self._rows = [row for row in _read(self._path) if int(row["step"]) <= step]
        self._columns = list(dict.fromkeys(name for row in self._rows for name in row)) or ["step"]
        self._rewrite()
        self._board = SummaryWriter(str(out / "tensorboard"), purge_step=step + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._board.close()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add an entry.

        Args:
            step: steps done.
            values: quantities by name; others of the table are left empty.
        """
        row = {"step": str(step)} | {name: f"{value:.7g}" for name, value in values.items()}
        self._rows.append(row)
        added = [name for name in row if name not in self._columns]
        self._columns += added
        if added:
            self._rewrite()
        else:
            self._put([row], "a")
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        self._board.flush()

    def _rewrite(self) -> None:
        self._put([dict.fromkeys(self._columns, "") | {n: n for n in self._columns}, *self._rows], "w")

    def _put(self, rows: list[dict[str, str]], mode: str) -> None:
        try:
            with self._path.open(mode, newline="") as file:
                csv.DictWriter(file, self._columns, restval="").writerows(rows)
        except OSError as error:
            raise InputError(
                f"cannot write '{self._path}' ({error.strerror}); free space or choose another --out."
            ) from error


def _read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if (row.get("step") or "").isdigit()]
