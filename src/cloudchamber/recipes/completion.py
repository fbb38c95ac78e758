"""Scattered electrons that a user has: from a file to what a model can complete, or a sentence that says why not."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Cuts, Events, RunInfo
from cloudchamber.formats import files
from cloudchamber.generate.electrons import Electrons
from cloudchamber.physics.dis import dis_variables
from cloudchamber.recipes.phase_space import PhaseSpace, beams_of
from cloudchamber.recipes.store import Card
from cloudchamber.represent.cloud import four_momenta

__all__ = ["Completion", "completion_of", "read_completion"]

_ELECTRON = 11


@dataclass(frozen=True)
class Completion:
    """What is to be completed, and where it came from.

    Attributes:
        electrons: the scattered electrons.
        name: of the file.
        run: its metadata.
        path: of the file; None for events in memory.
    """

    electrons: Electrons
    name: str
    run: RunInfo
    path: Path | None = None

    @property
    def provenance(self) -> dict[str, str]:
        """The file's name, and SHA-256 over the momenta in hexadecimal."""
        digest = hashlib.sha256(np.ascontiguousarray(self.electrons.momenta).tobytes()).hexdigest()
        return {"electrons": self.name, "electrons_sha256": digest}


def read_completion(path: Path, card: Card, limit: int | None = None, wanted: PhaseSpace | None = None) -> Completion:
    """The scattered electrons of a file.

    Args:
        path: any file of events, whose first particles are the scattered electrons; others are not looked at.
        card: of the model that is to complete them.
        limit: stop after this many events.
        wanted: the beams; those of the file by default.

    Raises:
        InputError: if the file cannot be read, or an electron is outside of what the model has learnt.
    """
    return replace(completion_of(files.read(path, limit), card, path.name, wanted), path=path)


def completion_of(events: Events, card: Card, source: str, wanted: PhaseSpace | None = None) -> Completion:
    """The scattered electrons of events, if a model can complete all of them.

    The model has learnt events down to some Q2, W and pT of the electron, which its card states; above there is only
    the kinematic limit, y < 1 and x < 1.

    Args:
        events: the scattered electron first in each.
        card: of the model.
        source: name of the file.
        wanted: the beams; those of the events by default.

    Raises:
        InputError: if the model draws all particles at once, a first particle is no electron, the beams are others
            than the model's, or an electron is outside of what it has learnt.
    """
    if card.preset.family != "cascade":
        raise InputError(f"the model '{card.preset.name}' cannot complete electrons: it draws all particles at once.")
    if not len(events) or not (events.counts > 0).all():
        raise InputError(f"'{source}' must hold at least one particle in each event, the scattered electron first.")
    first = events.particles[:, 0]
    wrong = np.flatnonzero(np.asarray(first.pdg_id) != _ELECTRON)
    if len(wrong):
        raise InputError(
            f"the first particle of event {wrong[0]} of '{source}' is no electron but {first.pdg_id[wrong[0]]}; put "
            "the scattered electron first."
        )
    beams = _beams(events.run.beams, card, source, wanted or PhaseSpace())
    momenta = four_momenta(first)
    variables = dis_variables(momenta, beams)
    _require_all((variables.y < 1) & (variables.x < 1), "is beyond the kinematic limit of the beams", source)
    values = {
        "Q2_GeV2": variables.Q2,
        "W_GeV": np.sqrt(np.maximum(variables.W2, 0.0)),
        "pT_electron_GeV": np.hypot(momenta[:, 1], momenta[:, 2]),
    }
    for name, value in values.items():
        least = card.domain[name][0]
        _require_all(
            value >= least, f"has {name.replace('_', ' ')} below {least:g}, the least the model has seen", source
        )
    electrons = Electrons(momenta, np.asarray(first.mass, dtype=np.float64), events.weight)
    return Completion(electrons, source, events.run.with_(beams=beams))


def _beams(given: Beams | None, card: Card, source: str, wanted: PhaseSpace) -> Beams:
    """The beams of the events, which the model must know."""
    if wanted.cuts != Cuts():
        raise InputError("cuts select among electrons that a model draws; leave them out where electrons are given.")
    if card.preset.electron.beams == "one" and given not in (None, card.data.beams):
        raise InputError(f"'{source}' has beams {given.name}, but the model was trained at {_name(card.data.beams)}.")
    if wanted.beams is not None and given not in (None, wanted.beams):
        raise InputError(f"'{source}' has beams {given.name}; leave --beams out, or choose another file.")
    return beams_of(card, wanted.beams or given, wanted.extrapolate)


def _name(beams: Beams | None) -> str:
    return "unknown beams" if beams is None else beams.name


def _require_all(good: np.ndarray[tuple[int], np.dtype[np.bool_]], what: str, source: str) -> None:
    bad = np.flatnonzero(~good)
    if len(bad):
        raise InputError(
            f"the electron of event {bad[0]} of '{source}' {what} ({len(bad):,} of {len(good):,} events are so); "
            "leave these events out."
        )
