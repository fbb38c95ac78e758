"""Models on disk: weights as safetensors, and a JSON card with everything that is needed to build them.

A model is two files: `NAME.safetensors` (weights and fitted maps, stored in their own precision) and `NAME.json` (the
card). A training run keeps the same card and the fitted maps beside its checkpoint, so that it can be sampled at any
time. Nothing is ever unpickled.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.events import RunInfo
from cloudchamber.formats.atomic import atomic_path
from cloudchamber.models.bayesian import drawn
from cloudchamber.models.cascade import Cascade
from cloudchamber.recipes.config import Preset
from cloudchamber.recipes.families import Representation, family_of
from cloudchamber.recipes.posterior import weights_stream, with_posterior
from cloudchamber.tensors.named import named, part

__all__ = [
    "Card",
    "TrainedModel",
    "load_model",
    "load_run",
    "load_stored",
    "model_names",
    "pretrained_folder",
    "read_card",
    "read_tensors",
    "save_model",
    "write_card",
]

CHECKPOINT = "last.pt"
RUN_CARD = "card.json"
RUN_MAPS = "maps.safetensors"
_MAPS, _WEIGHTS = "maps", "weights"


class Card(BaseModel):
    """What a model is, what it was trained on, where it may be trusted, and how good it was measured to be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Preset
    data: RunInfo
    events: int
    fingerprint: str
    versions: dict[str, str]
    training: dict[str, Any] = {}
    domain: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    sha256: str | None = None
    """Of the weights and maps, in hexadecimal; None while a run is training."""


@dataclass(frozen=True)
class TrainedModel:
    """A model with its representation, ready to be sampled.

    Attributes:
        card: see `Card`.
        representation: events <-> tensors.
        model: the cascade, in evaluation mode.
        digest: SHA-256 of the weights and maps, hexadecimal.
    """

    card: Card
    representation: Representation
    model: Cascade
    digest: str

    def drawn(self, draw: int | None) -> "TrainedModel":
        """The model with fixed weights, which is itself if it has no distributions of them.

        Args:
            draw: number of a draw of the weights; None for their means.

        Raises:
            InputError: if a draw is asked for and there is nothing to draw.
        """
        if self.card.preset.bayesian is None:
            if draw is not None:
                raise InputError(
                    f"the model '{self.card.preset.name}' has one set of weights and none to draw; leave --draw and "
                    "--draws out, or train it with a section bayesian."
                )
            return self
        model = drawn(self.model, None if draw is None else weights_stream(draw))
        preset = self.card.preset.model_copy(update={"bayesian": None})
        model.requires_grad_(False)
        return replace(self, card=self.card.model_copy(update={"preset": preset}), model=model.eval())


def pretrained_folder() -> Path:
    """Where the shipped models are."""
    return Path(__file__).parents[1] / "pretrained"


def model_names() -> list[str]:
    """Names of the shipped models."""
    return sorted(path.stem for path in pretrained_folder().glob("*.safetensors"))


def save_model(path: Path, model: Cascade, representation: Representation, card: Card) -> None:
    """Write a model as `path` (`.safetensors`) and its card beside it (`.json`).

    Args:
        path: the weights' file.
        model: the cascade.
        representation: its fitted maps.
        card: what to tell of it.
    """
    tensors = named(_WEIGHTS, model.state_dict()) | named(_MAPS, representation.state())
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors))
    digest = _digest({**representation.state(), **model.state_dict()})
    write_card(path.with_suffix(".json"), card.model_copy(update={"sha256": digest}))


def write_card(path: Path, card: Card) -> None:
    """Write a card.

    Args:
        path: the JSON file.
        card: what to write.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(card.model_dump(mode="json"), indent=2) + "\n")


def load_model(name: str) -> TrainedModel:
    """A shipped model by its name, a `.safetensors` file, or the folder of a training run; of weights the means.

    Args:
        name: as above.

    Raises:
        InputError: if there is no such model, or its files are damaged or do not belong together.
    """
    return load_stored(name).drawn(None)


def load_stored(name: str) -> TrainedModel:
    """The same with the distributions of its weights, if it has any.

    Args:
        name: as above.

    Raises:
        InputError: if there is no such model, or its files are damaged or do not belong together.
    """
    path = Path(name)
    shipped = name in model_names()
    if path.is_dir() and ((path / RUN_CARD).is_file() or not shipped):
        return load_run(path)
    if shipped:
        path = pretrained_folder() / f"{name}.safetensors"
    elif path.suffix != ".safetensors" or not path.is_file():
        raise InputError(
            f"the model '{name}' is unknown; choose one of {', '.join(model_names())}, or give the folder of a "
            "training run or a .safetensors file."
        )
    card = read_card(path.with_suffix(".json"))
    tensors = read_tensors(path)
    return _assemble(card, part(tensors, _MAPS), part(tensors, _WEIGHTS), path)


def load_run(folder: Path, snapshot: str | None = None) -> TrainedModel:
    """The averaged weights of a training run.

    Args:
        folder: of the run.
        snapshot: name of a snapshot in it; the last checkpoint by default.

    Raises:
        InputError: if the folder holds no run, or its files are damaged.
    """
    from cloudchamber.train.checkpoint import averaged_weights

    card = read_card(folder / RUN_CARD)
    weights = folder / (snapshot or CHECKPOINT)
    if not weights.is_file():
        raise InputError(f"the run '{folder}' has no '{weights.name}' yet; train it with 'cloudchamber train'.")
    return _assemble(card, read_tensors(folder / RUN_MAPS), averaged_weights(weights), folder)


def _assemble(card: Card, maps: dict[str, Tensor], weights: dict[str, Tensor], path: Path) -> TrainedModel:
    digest = _digest({**maps, **weights})
    if card.sha256 not in (None, digest):
        raise InputError(f"the weights in '{path}' are damaged, or not those of their card; copy both files again.")
    try:
        family = family_of(card.preset)
        representation = family.restore(maps)
        model = with_posterior(family.build(card.preset, representation), representation, card.preset, card.events)
        model.load_state_dict(weights)
    except (KeyError, RuntimeError, ValueError, IndexError) as error:
        raise InputError(
            f"the weights in '{path}' do not fit their card ({type(error).__name__}); copy both files again, or train "
            "the model again if it is of another version."
        ) from error
    if any(not bool(torch.isfinite(w).all()) for w in model.state_dict().values()):
        raise InputError(f"the weights in '{path}' are not all finite numbers; copy or train the model again.")
    model.requires_grad_(False)
    return TrainedModel(card, representation, model.eval(), digest)


def read_card(path: Path) -> Card:
    """Read and validate a card.

    Args:
        path: the JSON file.

    Raises:
        InputError: if it is missing or not valid.
    """
    try:
        return Card.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"the model's card '{path}' does not exist; copy it beside the weights.") from None
    except (ValidationError, OSError) as error:
        raise InputError(f"the model's card '{path}' is not valid ({type(error).__name__}); copy it again.") from None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file into memory.

    Args:
        path: the file.

    Raises:
        InputError: if it is missing or damaged.
    """
    try:
        return safetensors.torch.load(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"the weights '{path}' do not exist; copy them again.") from None
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise InputError(f"the weights '{path}' are damaged ({type(error).__name__}); copy them again.") from error


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()
