"""What is computed from whole events for figures only: other methods, another frame, jets and correlators.

Each is computed once for a sample, when it is first asked for. The hadronic final state is every particle but the
scattered electron.
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cloudchamber.evaluate.sample import Column, Particles, Sample
from cloudchamber.evaluate.species import HADRONIC
from cloudchamber.physics import correlators
from cloudchamber.physics.breit import breit_tetrad
from cloudchamber.physics.dis import beam_momenta, to_frame
from cloudchamber.physics.jets import Jets, cluster
from cloudchamber.physics.reconstruction import FinalState, Inclusive, reconstruct

__all__ = ["BREIT_JET_PT", "LAB_JET_PT", "RADIUS", "Derived"]

Array = NDArray[np.float64]

RADIUS = 1.0
"""R of both jet algorithms."""
LAB_JET_PT = 5.0
"""Lowest pT of a jet in the lab, GeV."""
BREIT_JET_PT = 2.0
"""Lowest pT of a jet in the Breit frame, GeV."""


class Derived:
    """Quantities of a sample that need its whole events.

    Args:
        sample: the events.
    """

    def __init__(self, sample: Sample) -> None:
        self.sample = sample

    @cached_property
    def hadrons(self) -> Particles:
        """The hadronic final state."""
        return self.sample.particles(HADRONIC)

    @cached_property
    def four_vectors(self) -> Array:
        """Its four-momenta (E, px, py, pz) in GeV, shape (k, 4)."""
        return self.hadrons.momenta.four_vectors()

    @cached_property
    def inclusive(self) -> dict[str, Inclusive]:
        """Q2, x and y by every method."""
        summed = np.stack([self.hadrons.total(self.four_vectors[:, k]) for k in range(4)], axis=-1)
        return reconstruct(FinalState(self.sample.electron.four_vectors(), summed), self.sample.beams)

    @cached_property
    def tetrad(self) -> Array:
        """Axes of the Breit frame, shape (n, 4, 4)."""
        return breit_tetrad(self.sample.electron.four_vectors(), self.sample.beams)

    @cached_property
    def breit(self) -> Array:
        """Four-momenta of the hadrons in the Breit frame, shape (k, 4)."""
        return to_frame(self.four_vectors, self.tetrad[self.hadrons.event])

    @cached_property
    def x_p(self) -> Column:
        """x_p = 2 |p| / Q of the hadrons in the current hemisphere of the Breit frame."""
        current = self.breit[:, 3] < 0
        kept = self.hadrons.take(current)
        Q = np.sqrt(np.maximum(self.sample.dis.Q2, np.finfo(float).tiny))
        size = np.linalg.norm(self.breit[current, 1:], axis=1)
        return self.column(2 * size / Q[kept.event], kept.offsets)

    @cached_property
    def lab_jets(self) -> Jets:
        """Anti-kT jets in the lab."""
        return cluster(self.four_vectors, self.hadrons.offsets, "antikt", radius=RADIUS, pt_min=LAB_JET_PT)

    @cached_property
    def breit_jets(self) -> Jets:
        """Jets by kT in the Breit frame."""
        return cluster(self.breit, self.hadrons.offsets, "kt", radius=RADIUS, pt_min=BREIT_JET_PT)

    def correlator(self, kind: str) -> tuple[Column, Array]:
        """An energy-energy correlator: values, and the share of its event that each carries.

        Args:
            kind: EEC, TEEC or BEEC; see `cloudchamber.physics.correlators`.
        """
        p, offsets = self.hadrons.momenta, self.hadrons.offsets
        if kind == "EEC":
            found = correlators.pair_correlator(p, offsets)
        elif kind == "TEEC":
            found = correlators.transverse_correlator(p, offsets, self.sample.electron.phi)
        else:
            proton = np.broadcast_to(beam_momenta(self.sample.beams).proton, (len(self.sample), 4))
            found = correlators.breit_correlator(self.breit, offsets, to_frame(proton, self.tetrad))
        starts = np.searchsorted(found.event, np.arange(len(self.sample) + 1))
        return self.column(found.values, starts), found.weight

    def column(self, values: Array, offsets: NDArray[np.int64]) -> Column:
        """A jagged column of this sample.

        Args:
            values: shape (k,).
            offsets: where each event starts, shape (n + 1,).
        """
        return Column(values, offsets, self.sample.weight)
