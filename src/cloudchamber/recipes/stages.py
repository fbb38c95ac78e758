"""Where a preset describes the process of each diffusion stage."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import BaseModel

from cloudchamber.recipes.config import DIFFUSION_STAGES, Preset, Process

__all__ = ["FAMILIES", "process_of", "stages_of", "with_processes"]

T = TypeVar("T", bound=BaseModel)
_SECTIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "cascade": {"electron": ("electron",), "cloud": ("cloud",)},
    "calo": {name: ("shower", name) for name in DIFFUSION_STAGES["calo"]},
    "calo-voxels": {name: ("voxels", name) for name in DIFFUSION_STAGES["calo-voxels"]},
    "calo-points": {name: ("points", name) for name in DIFFUSION_STAGES["calo-points"]},
}
"""Tables of presets that hold the process of a stage."""
FAMILIES = tuple(_SECTIONS)
"""Families whose stages can be given other processes."""


def stages_of(preset: Preset) -> tuple[str, ...]:
    """The diffusion stages whose processes a preset describes one by one, in the order in which they are sampled.

    Args:
        preset: of a model of one of `FAMILIES`.
    """
    stages = tuple(_SECTIONS[preset.family])
    alone = preset.family == "calo-voxels" and not preset.voxels.with_layers
    return tuple(name for name in stages if not (alone and name == "layers"))


def process_of(preset: Preset, stage: str) -> Process:
    """The process of a stage.

    Args:
        preset: of a model.
        stage: one of `stages_of`.
    """
    section: BaseModel = preset
    for name in _SECTIONS[preset.family][stage]:
        section = getattr(section, name)
    process = section.process  # type: ignore[attr-defined]
    assert isinstance(process, Process)
    return process


def with_processes(preset: Preset, stages: tuple[str, ...], change: Callable[[Process], Process]) -> Preset:
    """A preset with other processes.

    Args:
        preset: of a model.
        stages: some of `stages_of`.
        change: from the old to the new process.
    """
    for stage in stages:
        path = (*_SECTIONS[preset.family][stage], "process")
        preset = _replaced(preset, path, change(process_of(preset, stage)))
    return preset


def _replaced(section: T, path: tuple[str, ...], value: object) -> T:
    first, *rest = path
    inner = _replaced(getattr(section, first), tuple(rest), value) if rest else value
    return section.model_copy(update={first: inner})
