r"""Which azimuths are left for a jet that must not be close to the jets before it.

Two jets are apart by Delta R > R if |d_eta| >= R, or if the azimuth of the second is outside of the arc

    |phi - phi'| <= sqrt(R^2 - d_eta^2)

around that of the first. The azimuth is the last number drawn of a jet, so these arcs are known when it is.
"""

from torch import Tensor

from cloudchamber.represent.vector_map import JET_SIZE, MUONS_SIZE
from cloudchamber.tensors.support import Arcs

__all__ = ["Separation"]


class Separation:
    """Arcs that each azimuth of a row of numbers must avoid.

    Args:
        mean: of every number of a row, shape (F,); a row holds (value - mean) / scale.
        scale: of every number of a row, shape (F,).
        radius: R.

    >>> import torch
    >>> alone = Separation(torch.zeros(13), torch.ones(13), 0.5)
    >>> rows = torch.zeros(1, 13)
    >>> rows[0, 6], rows[0, 8], rows[0, 10] = 1.0, 2.0, 1.3
    >>> [round(number.item(), 6) for number in alone(12, rows)]
    [2.0, 0.4]
    >>> alone(8, rows) is None
    True
    """

    def __init__(self, mean: Tensor, scale: Tensor, radius: float) -> None:
        self.mean, self.scale, self.radius = mean.double(), scale.double(), radius

    def __call__(self, column: int, rows: Tensor) -> Arcs | None:
        """Arcs to avoid in one column; None where there are none in any row.

        Args:
            column: of the number.
            rows: the numbers so far, shape (B, at least column).
        """
        jet, place = divmod(column - MUONS_SIZE, JET_SIZE)
        if jet < 1 or place != JET_SIZE - 1:
            return None
        start = column - place
        earlier = list(range(MUONS_SIZE, start, JET_SIZE))
        eta = self._values(rows, [start + 1])
        centre = self._values(rows, [pt + 3 for pt in earlier])
        distance = eta - self._values(rows, [pt + 1 for pt in earlier])
        return Arcs(centre, (self.radius**2 - distance**2).clamp(min=0).sqrt())

    def _values(self, rows: Tensor, columns: list[int]) -> Tensor:
        return rows[:, columns].double() * self.scale[columns].to(rows.device) + self.mean[columns].to(rows.device)
