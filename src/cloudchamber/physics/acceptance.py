"""Which particles count: all, or those that a published study kept.

`paper` is the selection of arXiv:2410.22421 (section 2 and its public code): |eta| < 5 and the species p, n, K+-, pi+-,
neutrinos, mu, e, gamma and K0L with their antiparticles; the scattered electron stays whatever its direction. What
is left does not balance the beams, so conservation laws cannot be judged. `image` is that of arXiv:2310.16308 (section
III): pi+, K+ and e- inside |eta| < 10.
"""

from dataclasses import dataclass

import awkward as ak
import numpy as np

from cloudchamber.errors import InputError
from cloudchamber.events import Events

__all__ = ["ACCEPTANCES", "PUBLISHED_SPECIES", "Acceptance", "accepted"]

PUBLISHED_SPECIES = ((2212,), (2112,), (321,), (211,), (12, 14, 16), (13,), (11,), (22,), (130,))
"""What arXiv:2410.22421 and its public code tell apart: PDG numbers without sign; neutrinos are one species."""


@dataclass(frozen=True)
class Acceptance:
    """A selection of particles.

    Attributes:
        name: of the selection.
        description: in words.
        species: PDG numbers.
        eta: largest size of the pseudorapidity.
    """

    name: str
    description: str
    species: tuple[int, ...]
    eta: float

    @classmethod
    def named(cls, name: str) -> "Acceptance":
        """A selection by its name.

        Args:
            name: such as `paper`.

        Raises:
            InputError: if there is none of this name.
        """
        if name not in ACCEPTANCES:
            raise InputError(f"there is no acceptance '{name}'; choose one of {', '.join(ACCEPTANCES)}.")
        return ACCEPTANCES[name]

    def apply(self, events: Events) -> Events:
        """The same events with the accepted particles and the scattered electron.

        Args:
            events: the scattered electron first in each.

        Raises:
            InputError: if an event holds no particles.
        """
        events.require_particles()
        px, py, pz = (events.flat(name).astype(np.float64) for name in ("px", "py", "pz"))
        pt = np.hypot(px, py)
        keep = np.isin(events.flat("pdg_id"), self.species) & (np.abs(pz) < np.sinh(self.eta) * pt)
        keep[events.offsets[:-1]] = True
        return events.select(ak.unflatten(ak.Array(keep), events.counts))


ACCEPTANCES = {
    "paper": Acceptance(
        "paper", "|eta| < 5; p, n, K+-, pi+-, neutrinos, mu, e, gamma and K0L; the scattered electron kept",
        tuple(sign * code for codes in PUBLISHED_SPECIES for code in codes for sign in (1, -1)), 5.0,
    ),
    "image": Acceptance("image", "|eta| < 10; pi+, K+ and e-", (211, 321, 11), 10.0),
}  # fmt: skip


def accepted(events: Events, acceptance: Acceptance | None) -> Events:
    """What is left of events under a selection; all of them without one.

    Args:
        events: the scattered electron first in each.
        acceptance: which particles to keep.
    """
    return events if acceptance is None or len(events) == 0 else acceptance.apply(events)
