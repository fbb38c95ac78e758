"""Pythia8 with more events at high Q2 than nature has: the density is Q2/GeV2 times the physical one.

The hard process is proposed with this factor, and Pythia gives each event the weight GeV2/Q2 with Q2 = -t of the hard
process, so that weighted events are distributed as nature's and the cross-section is right. The sample is then about
flat in ln Q2. This module imports Pythia8.
"""

from typing import Any

import pythia8mc

__all__ = ["FlatInLogQ2"]


class FlatInLogQ2(pythia8mc.UserHooks):  # type: ignore[misc]
    """Hooks that bias the selection of the hard process by Q2; must live as long as the Pythia object they serve."""

    def __init__(self) -> None:
        super().__init__()
        self._factor = 1.0

    def canBiasSelection(self) -> bool:  # noqa: N802 (a name of Pythia's)
        """That the selection is biased."""
        return True

    def biasSelectionBy(self, process: Any, phase_space: Any, in_event: bool) -> float:  # noqa: N802, ANN401
        """The factor at a point of phase space: Q2 in GeV2.

        Args:
            process: the hard process.
            phase_space: the point.
            in_event: whether Pythia selects events rather than looks for a maximum.
        """
        self._factor = -phase_space.tHat()
        return self._factor

    def biasedSelectionWeight(self) -> float:  # noqa: N802
        """The weight of the event that was selected last."""
        return 1 / self._factor
