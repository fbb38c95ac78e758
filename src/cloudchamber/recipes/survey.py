"""A look at a run before it begins: which electrons it keeps, how many it draws for that, and its cross-section."""

from typing import NamedTuple, cast

import numpy as np

from cloudchamber.errors import InputError
from cloudchamber.events import Cuts, RunInfo
from cloudchamber.generate.pipeline import Pipeline, Solver
from cloudchamber.generate.region import Region, Trial
from cloudchamber.generate.vector import JetRegion
from cloudchamber.recipes.phase_space import PhaseSpace, cross_section_of, resolve
from cloudchamber.recipes.store import TrainedModel
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.represent.vector import VectorRepresentation

__all__ = ["Survey", "survey"]

_DRAWN = 8_192
_TRIES = 16
_FEWEST = {"any": 100, "one": 20_000}
"""Kept electrons that are enough to go by; more where their share also gives the cross-section."""
_LEAST = 1e-4
_MOST_CANDIDATES = 64


class Survey(NamedTuple):
    """What a run is.

    Attributes:
        data: metadata with beams, cuts and cross-section.
        region: how electrons are drawn; None to draw them as the model does.
    """

    data: RunInfo
    region: Region | JetRegion | None


def survey(trained: TrainedModel, wanted: PhaseSpace, solver: Solver, device: str, *, drawn: bool = True) -> Survey:
    """Look into a run.

    Args:
        trained: the model.
        wanted: beams and cuts that a user asks for.
        solver: how the stages are sampled.
        device: where the networks run.
        drawn: whether the model draws the electrons.

    Raises:
        InputError: if the model cannot serve the beams and cuts.
    """
    card, own = trained.card, trained.card.data
    if card.preset.family == "zjets":
        return _of_jets(trained, wanted)
    if wanted.jets is not None or wanted.inside_cuts:
        raise InputError(f"the model '{card.preset.name}' makes no jets; leave --jets and --inside-cuts out.")
    if card.preset.family != "cascade":
        if wanted.cuts != Cuts():
            raise InputError(f"the model '{card.preset.name}' cannot be cut: it has no stage for the electron alone.")
        resolve(card, wanted)
        return Survey(own, None)
    run = resolve(card, wanted)
    if card.preset.electron.beams == "one" and run.cuts == own.cuts:
        return Survey(own, None)
    data = own.with_(beams=run.beams, cuts=run.cuts)
    if not drawn:
        return Survey(data.with_(cross_section_pb=None, cross_section_error_pb=None), None)
    pipeline = Pipeline(cast(CloudRepresentation, trained.representation), trained.model, data, None, solver=solver,
                        device=device, region=Region(run.cuts))  # fmt: skip
    trial = _try(pipeline, card.preset.name, _FEWEST[card.preset.electron.beams])
    rate = trial.kept / trial.drawn
    return Survey(_with_cross_section(data, trained, run, trial), Region(run.cuts, _candidates(rate)))


def _of_jets(trained: TrainedModel, wanted: PhaseSpace) -> Survey:
    """A run of muons and jets; the cross-section of one number of jets is its share of the training sample's."""
    name, own = trained.card.preset.name, trained.card.data
    shares = cast(VectorRepresentation, trained.representation).shares
    if wanted.beams is not None or wanted.cuts != Cuts():
        raise InputError(f"the model '{name}' knows one setting of proton beams and no cuts; leave both out.")
    if wanted.jets is None:
        return Survey(own, JetRegion(None, wanted.inside_cuts))
    if not 1 <= wanted.jets <= len(shares) or not shares[wanted.jets - 1] > 0:
        learnt = ", ".join(str(k + 1) for k, share in enumerate(shares.tolist()) if share > 0)
        raise InputError(f"--jets {wanted.jets} is impossible: the model '{name}' has learnt {learnt} jets.")
    share, known = float(shares[wanted.jets - 1]), own.cross_section_pb
    error = own.cross_section_error_pb
    data = own.with_(
        cross_section_pb=None if known is None else known * share,
        cross_section_error_pb=None if error is None else error * share,
    )
    return Survey(data, JetRegion(wanted.jets, wanted.inside_cuts))


def _candidates(rate: float) -> int:
    """Electrons to draw at once, a power of two, so that about two in three events find one."""
    return int(min(2 ** round(np.log2(1 / rate)), _MOST_CANDIDATES))


def _try(pipeline: Pipeline, name: str, fewest: int) -> Trial:
    """Enough drawn electrons to know which share is kept."""
    total = Trial(0, 0, 0)
    for k in range(_TRIES):
        found = pipeline.try_electrons(range(k * _DRAWN, (k + 1) * _DRAWN))
        total = Trial(*(a + b for a, b in zip(total, found, strict=True)))
        if total.kept >= fewest:
            return total
    if total.kept < _LEAST * total.drawn:
        raise InputError(
            f"the cuts leave {total.kept} of {total.drawn:,} electrons that the model '{name}' draws, too few; loosen "
            "them."
        )
    return total


def _with_cross_section(data: RunInfo, trained: TrainedModel, run: PhaseSpace, trial: Trial) -> RunInfo:
    """From the model's table, or as the share of the training sample's that the cuts leave."""
    found, own = cross_section_of(trained.card, run), trained.card.data
    if found is not None:
        return data.with_(cross_section_pb=found.value, cross_section_error_pb=found.error)
    if trained.card.preset.electron.beams == "any" or own.cross_section_pb is None:
        return data.with_(cross_section_pb=None, cross_section_error_pb=None)
    share = trial.kept / trial.physical
    error = np.hypot(own.cross_section_error_pb or 0.0, own.cross_section_pb * np.sqrt((1 - share) / trial.kept))
    return data.with_(cross_section_pb=own.cross_section_pb * share, cross_section_error_pb=float(error * share))
