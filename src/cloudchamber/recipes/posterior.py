"""Models with distributions of weights: made of ordinary ones, and drawn from.

The section `bayesian` of a preset says which stages and layers; `models.bayesian` says what is learnt. Draw number k is
the same model whatever is generated with it: its weights come from a stream that k alone names.
"""

import numpy as np
import torch

from cloudchamber.errors import InputError
from cloudchamber.models.bayesian import Bayesian
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.present import Present
from cloudchamber.recipes.config import Preset
from cloudchamber.recipes.families import Representation
from cloudchamber.recipes.sections import Weights
from cloudchamber.represent.vector import VectorRepresentation

__all__ = ["weights_stream", "with_posterior"]

_STREAM = 0x57656967


def with_posterior(model: Cascade, representation: Representation, preset: Preset, events: int) -> Cascade:
    """The same model; stages that the preset names get distributions around their present weights.

    Args:
        model: as its family builds it; it is changed.
        representation: of the model.
        preset: with the section `bayesian`, or without.
        events: that it is trained on.

    Raises:
        InputError: if the model has no such stage, or a stage no such layer.
    """
    weights = preset.bayesian
    if weights is None:
        return model
    for name in weights.stages or tuple(model.stages):
        if name not in model.stages:
            raise InputError(f"stage '{name}' in the section bayesian is none of {', '.join(model.stages)}.")
        stage, share = model.stages[name], _share(representation, list(model.stages).index(name))
        if isinstance(stage, Present):
            stage.model = _bayesian(stage.model, weights, max(events * share, 1.0))
        else:
            model.stages[name] = _bayesian(stage, weights, events)
    return model


def weights_stream(draw: int) -> torch.Generator:
    """The random stream of the weights of a draw.

    Args:
        draw: its number, at least 0.
    """
    state = np.random.SeedSequence([_STREAM, draw]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def _bayesian(stage: torch.nn.Module, weights: Weights, events: float) -> Bayesian:
    return Bayesian(
        stage,
        events,
        layers=weights.layers,
        precision=weights.precision,
        log_variance=weights.log_variance,
        temperature=weights.temperature,
    )


def _share(representation: Representation, place: int) -> float:
    """Share of the events that the stage of this place learns from."""
    return float(representation.shares[place:].sum()) if isinstance(representation, VectorRepresentation) else 1.0
