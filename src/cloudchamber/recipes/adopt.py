"""From a trained model to one of another sample: the networks of the first, species by species.

A model of any beams takes nothing over from the electron's network of a model of one setting, which is told nothing.

Two samples seldom hold the same species, and a table orders them by their frequency. Networks know a species by rows of
some tensors; a row is taken over where both samples hold the species, and starts from nothing where only the new one
does. All other tensors are taken over as they are.
"""

import torch

from cloudchamber.errors import InputError
from cloudchamber.models.cascade import Cascade
from cloudchamber.recipes.store import TrainedModel
from cloudchamber.represent.cloud import CloudRepresentation

__all__ = ["adopt"]

_OF_SPECIES = {
    "cloud": ("denoiser.net.kinds.weight",),
    "species": ("net.kinds.weight", "net.outputs.weight", "net.outputs.bias"),
}
"""Tensors by stage whose first rows belong to species; a row after the last belongs to the end mark."""
_OF_SAMPLE = ("charges", "total")
"""Tensors that a sample defines."""


def adopt(model: Cascade, representation: CloudRepresentation, base: TrainedModel) -> None:
    """Give a new model the networks of a trained one.

    Args:
        model: of the same sizes, for the new sample.
        representation: of the new model.
        base: the trained model.

    Raises:
        InputError: if the networks have other sizes, or the two know no species in common.
    """
    table = base.representation
    if not isinstance(table, CloudRepresentation):
        raise InputError(f"the model '{base.card.preset.name}' has no species to take over; leave --refit out.")
    species, conditions = representation.species.pdg_ids, representation.electron.CONDITIONS
    known = {number: row for row, number in enumerate(table.species.pdg_ids.tolist())}
    pairs = [(row, known[number]) for row, number in enumerate(species.tolist()) if number in known]
    if not pairs:
        raise InputError("the model knows none of the species of these events; leave --init and --refit out.")
    ours, theirs = (torch.tensor(rows, dtype=torch.long) for rows in zip(*pairs, strict=True))
    for name, stage in model.stages.items():
        if name == "electron" and conditions != table.electron.CONDITIONS:
            continue
        own, given = stage.state_dict(), base.model[name].state_dict()
        indexed = _OF_SPECIES.get(name, ())
        alike = own.keys() == given.keys() and all(
            own[key].shape[key in indexed :] == value.shape[key in indexed :]
            for key, value in given.items()
            if key not in _OF_SAMPLE
        )
        if not alike:
            raise InputError(
                f"the stage '{name}' of the model has another size than the preset says; give both the same."
            )
        for key, value in given.items():
            if key in indexed:
                own[key][ours] = value[theirs]
                own[key][len(species) :] = value[len(known) :]
            elif key not in _OF_SAMPLE:
                own[key] = value
        stage.load_state_dict(own)
