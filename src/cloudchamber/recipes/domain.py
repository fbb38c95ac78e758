"""Where a model may be trusted: the region that its training events fill, and what they hold too few of."""

from collections.abc import Sequence
from typing import Any

import awkward as ak
import numpy as np

from cloudchamber.events import Beams, Events
from cloudchamber.physics import pdg
from cloudchamber.physics.dis import dis_variables
from cloudchamber.physics.kinematics import center_of_mass_energy
from cloudchamber.represent.cloud import four_momenta

__all__ = ["domain_of"]

_RARE = 2_000


def domain_of(samples: Sequence[Events]) -> dict[str, Any]:
    """The domain of validity of a model trained on these events.

    Args:
        samples: the training events of each setting of the beams, which must be known.

    Returns:
        Beams; for several settings, smallest and largest energy sqrt(s) (GeV); smallest and largest Q2 (GeV2), x, y, W
        (GeV) and pT (GeV) of the scattered electron; most particles in an event; and the species with fewer than 2,000
        particles, whose momenta share maps with related species.
    """
    if samples[0].run.protons is not None:
        return _domain_of_jets(samples)
    columns = [_columns(events) for events in samples]
    ranges = {
        name: [float(f"{pick(pick(c[name]) for c in columns):.5g}") for pick in (min, max)] for name in columns[0]
    }
    energies = [center_of_mass_energy(beams) for beams in map(_beams, samples)]
    several = {"sqrt_s_GeV": [min(energies), max(energies)]} if len(samples) > 1 else {}
    pdg_ids = np.concatenate([ak.to_numpy(ak.flatten(events.hadronic.pdg_id)) for events in samples])
    species, counts = np.unique(pdg_ids, return_counts=True)
    rare = {pdg.name(int(s)): int(n) for s, n in zip(species, counts, strict=True) if n < _RARE}
    return {
        "beams_GeV": ", ".join(_beams(events).name for events in samples),
        **several,
        **ranges,
        "most_particles": max(int(events.counts.max()) for events in samples),
        "species": len(species),
        "rare_species": dict(sorted(rare.items(), key=lambda item: -item[1])),
    }


def _domain_of_jets(samples: Sequence[Events]) -> dict[str, Any]:
    """Numbers of jets, and the largest pT of muons and jets in GeV."""
    events = Events.concatenate(samples)
    numbers, found = np.unique(events.counts - 2, return_counts=True)
    return {
        "events_of_jets": {str(int(k)): int(n) for k, n in zip(numbers, found, strict=True)},
        "pT_GeV": float(f"{float(events.flat('pt').max()):.5g}"),
    }


def _beams(events: Events) -> Beams:
    assert events.run.beams is not None
    return events.run.beams


def _columns(events: Events) -> dict[str, tuple[float, float]]:
    """Extremes of the scattered electron's variables."""
    scattered = four_momenta(events.electron)
    inclusive = dis_variables(scattered, _beams(events))
    columns = {
        "Q2_GeV2": inclusive.Q2,
        "x": inclusive.x,
        "y": inclusive.y,
        "W_GeV": np.sqrt(inclusive.W2),
        "pT_electron_GeV": np.hypot(scattered[:, 1], scattered[:, 2]),
    }
    return {name: (float(v.min()), float(v.max())) for name, v in columns.items()}
