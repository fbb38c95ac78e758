"""The scattered electron of events that do not say which particle it is."""

import awkward as ak

from cloudchamber.events import Events

__all__ = ["electron_first"]

_ELECTRON = 11


def electron_first(events: Events) -> Events:
    """The same events with the electron of highest pT first, and all other particles in their order.

    Events without an electron stay as they are. `formats.hepmc_electron` says how often the rule fails.

    Args:
        events: final states.

    >>> import numpy as np
    >>> pt, zero = np.array([1.0, 2.0, 5.0, 3.0]), np.zeros(4)
    >>> columns = {"pdg_id": np.array([211, 11, 22, 11]), "px": pt, "py": zero, "pz": zero, "mass": zero}
    >>> electron_first(Events.from_flat([4], columns)).particles.px.tolist()
    [[3.0, 1.0, 2.0, 5.0]]
    """
    electrons = ak.where(events.particles.pdg_id == _ELECTRON, events.particles.pt, -1.0)
    best = ak.fill_none(ak.argmax(electrons, axis=1, keepdims=True), 0)
    has = ak.fill_none(ak.max(electrons, axis=1), -1.0) >= 0
    place = ak.local_index(events.particles)
    rank = ak.where((place == best) & has, -1, place)
    return Events(events.particles[ak.argsort(rank, axis=1, stable=True)], events.weight, events.run)
