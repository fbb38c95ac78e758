"""Where a model may be trusted: the region that its training events fill, and what they hold too few of."""

from typing import Any

import awkward as ak
import numpy as np

from cloudchamber.events import Events
from cloudchamber.physics import pdg
from cloudchamber.physics.dis import dis_variables
from cloudchamber.represent.cloud import four_momenta

__all__ = ["domain_of"]

_RARE = 2_000


def domain_of(events: Events) -> dict[str, Any]:
    """The domain of validity of a model trained on these events.

    Args:
        events: the training events, with known beams.

    Returns:
        Beams; smallest and largest Q2 (GeV2), x, y, W (GeV) and pT (GeV) of the scattered electron; most particles in
        an event; and the species with fewer than 2,000 particles, whose momenta share maps with related species.
    """
    beams = events.run.beams
    assert beams is not None
    scattered = four_momenta(events.electron)
    inclusive = dis_variables(scattered, beams)
    columns = {
        "Q2_GeV2": inclusive.Q2,
        "x": inclusive.x,
        "y": inclusive.y,
        "W_GeV": np.sqrt(inclusive.W2),
        "pT_electron_GeV": np.hypot(scattered[:, 1], scattered[:, 2]),
    }
    species, counts = np.unique(ak.to_numpy(ak.flatten(events.hadronic.pdg_id)), return_counts=True)
    rare = {pdg.name(int(s)): int(n) for s, n in zip(species, counts, strict=True) if n < _RARE}
    return {
        "beams_GeV": beams.name,
        **{name: [float(f"{v.min():.5g}"), float(f"{v.max():.5g}")] for name, v in columns.items()},
        "most_particles": int(events.counts.max()),
        "species": len(species),
        "rare_species": dict(sorted(rare.items(), key=lambda item: -item[1])),
    }
