"""Training that starts from a model's weights: how fast to learn, and which events the model's maps can hold.

A trained model is near its optimum, so it learns with a fifth of the usual rate after a short warm-up, where the
preset does not say otherwise. It keeps its representation; events outside of that are refused, because maps that end
at some Q2 would never generate what lies below.
"""

import awkward as ak
import numpy as np

from cloudchamber.errors import InputError
from cloudchamber.events import Events
from cloudchamber.physics.dis import dis_variables
from cloudchamber.recipes.config import DIFFUSION_STAGES, Preset
from cloudchamber.recipes.store import TrainedModel
from cloudchamber.represent.cloud import CloudRepresentation, four_momenta
from cloudchamber.represent.vector import VectorRepresentation, require_learnable

__all__ = ["fine_tuning", "own_fine_tuning", "require_events_of", "require_not_distilled"]

_LEARNING_RATE = 3e-4
_WARM_UP_STEPS = 50
_SLACK = 0.01
"""Relative; the least Q2 of two samples with one cut differs by chance."""


def fine_tuning(preset: Preset) -> Preset:
    """A preset for training on from weights: what its file says, and else the values of this module.

    Args:
        preset: as it was read.
    """
    given = preset.training.model_fields_set
    update = {"learning_rate": _LEARNING_RATE, "warm_up_steps": _WARM_UP_STEPS}
    missing = {name: value for name, value in update.items() if name not in given}
    return preset.model_copy(update={"training": preset.training.model_copy(update=missing)})


def own_fine_tuning(base: TrainedModel) -> Preset:
    """The preset of a model with the values of this module.

    Args:
        base: the model.
    """
    update = {"learning_rate": _LEARNING_RATE, "warm_up_steps": _WARM_UP_STEPS}
    preset = base.card.preset
    return preset.model_copy(update={"training": preset.training.model_copy(update=update)})


def require_not_distilled(base: TrainedModel, name: str, only: str | None) -> None:
    """Refuse to train stages on events that were taught to take few calls.

    Args:
        base: the model.
        name: how it was named.
        only: the stage that is to be trained; None for all.

    Raises:
        InputError: if one of them was distilled.
    """
    stages = set(DIFFUSION_STAGES[base.card.preset.family]) if only is None else {only}
    for phase in base.card.training.get("phases", []):
        if "method" in phase and stages & set(phase["stages"].split(", ")):
            raise InputError(
                f"the model '{name}' was distilled to few network calls, which training on data would undo; train "
                "on from its teacher and distill the result, or train another stage with --only."
            )


def require_events_of(base: TrainedModel, events: Events) -> None:
    """Refuse events that a model's maps cannot hold.

    Args:
        base: the model.
        events: to train on.

    Raises:
        InputError: if they have other beams, reach below the least Q2 of the maps, hold a species these lack, or are
            jets outside of the cuts.
    """
    table = base.representation
    if isinstance(table, VectorRepresentation):
        _require_protons_of(base, events)
        require_learnable(events)
    if not isinstance(table, CloudRepresentation):
        return
    fixed = table.electron.CONDITIONS == 0
    if events.run.beams is None or (fixed and events.run.beams != table.beams):
        theirs = "unknown beams" if events.run.beams is None else f"beams {events.run.beams.name}"
        raise InputError(
            f"the events have {theirs}, but the maps of the model are for {table.beams.name}; add --refit to fit new "
            "ones and keep its networks."
        )
    least, found = base.card.domain.get("Q2_GeV2", (0.0,))[0], _least_q2(events)
    if found < (1 - _SLACK) * least:
        raise InputError(
            f"the events reach down to Q2 = {found:.4g} GeV2, but the maps of the model end at {least:g}; add --refit "
            "to fit new ones and keep its networks."
        )
    if table.folding is None:
        species = np.unique(ak.to_numpy(ak.flatten(events.hadronic.pdg_id)))
        unknown = np.setdiff1d(species, table.species.pdg_ids.numpy())
        if len(unknown):
            raise InputError(
                f"the events hold the species {unknown[0]}, which the model does not know; add --refit to fit its "
                "table to them and keep its networks."
            )


def _require_protons_of(base: TrainedModel, events: Events) -> None:
    ours, theirs = base.card.data.protons, events.run.protons
    if ours != theirs:
        known = "no known protons" if theirs is None else f"protons of {theirs.energy:g} GeV"
        learnt = "unknown ones" if ours is None else f"those of {ours.energy:g} GeV"
        raise InputError(
            f"the events have {known}, but the model learnt {learnt}; train a new model on them, without --init."
        )


def _least_q2(events: Events) -> float:
    assert events.run.beams is not None
    return float(dis_variables(four_momenta(events.electron), events.run.beams).Q2.min())
