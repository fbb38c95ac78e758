"""What kinds of models there are: how each represents events, is built and generates.

A preset names its family. Everything else that trains, stores or samples a model asks for the family's parts here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.events import Events, RunInfo, Showers
from cloudchamber.generate.electrons import Electrons
from cloudchamber.generate.image import ImagePipeline
from cloudchamber.generate.pipeline import Block, Finisher, Pipeline, Solver
from cloudchamber.generate.points import PointPipeline
from cloudchamber.generate.published import PublishedPipeline
from cloudchamber.generate.region import Region
from cloudchamber.generate.showers import ShowerPipeline
from cloudchamber.generate.voxels import VoxelPipeline
from cloudchamber.models.cascade import Cascade
from cloudchamber.physics.acceptance import Acceptance
from cloudchamber.recipes.build import build_image, build_model, build_omnilearn
from cloudchamber.recipes.config import Preset
from cloudchamber.recipes.points import build_points, fit_points
from cloudchamber.recipes.shower_build import build_showers, fit_showers, restore_showers
from cloudchamber.recipes.voxels import build_voxels, fit_voxels
from cloudchamber.recipes.zjets import build_zjets, fit_zjets, zjets_pipeline
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.represent.image import ImageRepresentation
from cloudchamber.represent.points import PointsRepresentation
from cloudchamber.represent.published import ACCEPTANCE, AZIMUTHS, PublishedRepresentation
from cloudchamber.represent.vector import VectorRepresentation
from cloudchamber.represent.voxels import VoxelsRepresentation
from cloudchamber.tensors.batch import Bundle

__all__ = ["FAMILIES", "Blocks", "Family", "Representation", "ShowerBlocks", "family_of"]


class Representation(Protocol):
    """Events as tensors, fitted to a sample."""

    def encode(self, events: Any) -> Bundle:  # noqa: ANN401
        """What a model is trained on, from events or showers."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All fitted tensors, by name."""
        ...


class Blocks(Protocol):
    """Makes events in blocks of 256 event numbers."""

    def block(self, number: int, seed: int, history: bool = False, electrons: Electrons | None = None) -> Block:
        """All events of a block, drawn or for given electrons."""
        ...


class _MakeBlocks(Protocol):
    """From the parts of a model to what makes its blocks."""

    def __call__(
        self,
        representation: Any,  # noqa: ANN401
        model: Cascade,
        run: RunInfo,
        finisher: Finisher | None,
        *,
        solver: Solver,
        device: str,
        region: Any,  # noqa: ANN401
    ) -> Blocks:
        """Blocks with these metadata, electrons or jets of the region; the finisher decays what is undecayed."""
        ...


class ShowerBlocks(Protocol):
    """Makes showers in blocks of 256."""

    def block(self, number: int, seed: int, incident: NDArray[np.float64]) -> Showers:
        """All showers of a block, of incident energies in MeV, shape (256,)."""
        ...


class _MakeShowers(Protocol):
    """From the parts of a model to what makes its blocks of showers."""

    def __call__(
        self,
        representation: Any,  # noqa: ANN401
        model: Cascade,
        run: RunInfo,
        *,
        solver: Solver,
        device: str,
    ) -> ShowerBlocks:
        """Blocks with these metadata."""
        ...


R = TypeVar("R", bound=Representation)


@dataclass(frozen=True)
class Family(Generic[R]):
    """One kind of model.

    Attributes:
        fit: the representation of a preset, fitted to samples, one for each setting of the beams.
        restore: the representation from its state.
        build: an untrained model for a fitted representation.
        pipeline: what makes blocks of events.
        acceptance: which particles its events hold; None for all.
        showers: what makes blocks of showers; None for models of events.
    """

    fit: Callable[[Preset, Sequence[Any]], R]
    restore: Callable[[dict[str, Tensor]], R]
    build: Callable[[Preset, R], Cascade]
    pipeline: _MakeBlocks
    acceptance: Acceptance | None = None
    showers: _MakeShowers | None = None


def _fit_cloud(preset: Preset, samples: Sequence[Events]) -> CloudRepresentation:
    if preset.electron.beams == "any":
        return CloudRepresentation.fit_mixture(samples)
    return CloudRepresentation.fit(samples[0], fold_decays=preset.fold_decays, fold_resonances=preset.fold_resonances)


def _fit_image(preset: Preset, samples: Sequence[Events]) -> ImageRepresentation:
    image = preset.image
    return ImageRepresentation.fit(
        samples[0],
        rows=image.rows,
        columns=image.columns,
        channels=image.channels,
        intensity=image.intensity,
        rescaling=image.rescaling,
        threshold=image.threshold,
        place=image.place,
    )


def _published_pipeline(
    representation: PublishedRepresentation,
    model: Cascade,
    run: RunInfo,
    finisher: Finisher | None,
    *,
    solver: Solver,
    device: str,
    region: Region | None,
) -> PublishedPipeline:
    assert finisher is None  # its level is stable
    assert region is None  # it has no electron stage
    return PublishedPipeline(representation, model, run, solver=solver, device=device)


def _image_pipeline(
    representation: ImageRepresentation,
    model: Cascade,
    run: RunInfo,
    finisher: Finisher | None,
    *,
    solver: Solver,
    device: str,
    region: Region | None,
) -> ImagePipeline:
    assert finisher is None  # its level is stable
    assert region is None  # it has no electron stage
    return ImagePipeline(representation, model, run, solver=solver, device=device)


def _fit_showers(preset: Preset, samples: Sequence[Showers]) -> Any:  # noqa: ANN401
    return fit_showers(preset, Showers.concatenate(samples))


def _no_pipeline(
    representation: Representation,
    model: Cascade,
    run: RunInfo,
    finisher: Finisher | None,
    *,
    solver: Solver,
    device: str,
    region: Any,  # noqa: ANN401
) -> Blocks:
    raise InputError("the model makes showers, not events; use 'cloudchamber generate' with --energy or --energies.")


FAMILIES: Mapping[str, Family[Any]] = {
    "cascade": Family(
        _fit_cloud,
        CloudRepresentation.from_state,
        build_model,
        Pipeline,
    ),
    "omnilearn": Family(
        lambda preset, samples: PublishedRepresentation.fit(samples[0], AZIMUTHS[preset.particles.azimuth]),
        PublishedRepresentation.from_state,
        build_omnilearn,
        _published_pipeline,
        ACCEPTANCE,
    ),
    "image": Family(
        _fit_image, ImageRepresentation.from_state, build_image, _image_pipeline, Acceptance.named("image")
    ),
    "calo": Family(_fit_showers, restore_showers, build_showers, _no_pipeline, showers=ShowerPipeline),
    "calo-voxels": Family(
        fit_voxels, VoxelsRepresentation.from_state, build_voxels, _no_pipeline, showers=VoxelPipeline
    ),
    "calo-points": Family(
        fit_points, PointsRepresentation.from_state, build_points, _no_pipeline, showers=PointPipeline
    ),
    "zjets": Family(fit_zjets, VectorRepresentation.from_state, build_zjets, zjets_pipeline),
}


def family_of(preset: Preset) -> Family[Any]:
    """The family that a preset names.

    Args:
        preset: of a model.
    """
    return FAMILIES[preset.family]
