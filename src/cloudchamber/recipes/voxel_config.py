"""Sections of a preset of the family calo-voxels: how showers become voxels, and the stages that make them."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cloudchamber.recipes.sections import Process, Section

__all__ = ["LayerStage", "VoxelStage", "VoxelStages"]

_PUBLISHED = Process(schedule="cosine", target="v", times="uniform")
"""The choice of CaloScore v2, arXiv:2308.03847."""
Width = Annotated[int, Field(ge=4, le=4096, multiple_of=4)]
Number = Annotated[int, Field(ge=1, le=1000)]


class LayerStage(Section):
    """The diffusion model of the energies of the layers."""

    net: Literal["residual", "plain"] = Field(default="residual", description="residual: that of CaloScore v2")
    width: int = Field(default=1024, ge=8, le=4096)
    blocks: int = Field(default=2, ge=1, le=64)
    repeats: int = Field(default=1, ge=1, le=64, description="noise draws for each row and step")
    process: Process = _PUBLISHED


class VoxelStage(Section):
    """The diffusion model of the voxels."""

    net: Literal["unet", "score-unet", "transformer"] = Field(
        default="unet", description="unet: CaloScore v2; score-unet: CaloScore v1; transformer: over patches"
    )
    inputs: Width = Field(default=32, description="channels before the first level; unet")
    widths: tuple[Width, ...] = Field(default=(32, 64, 96), min_length=1, max_length=8, description="of the levels")
    blocks: int = Field(default=3, ge=1, le=16, description="at each level; unet")
    embed: Width = Field(default=64, description="width of the condition")
    patch: tuple[Number, Number, Number] = Field(default=(3, 8, 8), description="layers, y, x; transformer")
    width: Width = Field(default=128, description="of a patch; transformer")
    depth: int = Field(default=5, ge=1, le=64, description="transformer")
    heads: int = Field(default=4, ge=1, le=64, description="transformer")
    expansion: int = Field(default=4, ge=1, le=16, description="transformer")
    mirrored: bool = Field(default=False, description="learn from mirror images too, where the voxels have them")
    process: Process = _PUBLISHED


class VoxelStages(Section):
    """The voxels and both stages, in the order in which they are sampled."""

    merge: tuple[Number, Number, Number] = Field(default=(1, 1, 1), description="cells along x, y and layers in one")
    with_layers: bool = Field(default=True, description="energies of layers first; otherwise voxels alone")
    scaled: Literal["voxel", "all", "none"] = Field(default="voxel", description="what gets unit variance together")
    noise: float = Field(default=0.0, ge=0, lt=1, description="in empty voxels, in units of the threshold")
    layers: LayerStage = LayerStage()
    voxels: VoxelStage = VoxelStage()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.voxels.width % self.voxels.heads:
            raise ValueError("the width of the transformer must be a multiple of its heads")
        if any(stage.process.kind not in ("denoiser", "average") for stage in (self.layers, self.voxels)):
            raise ValueError("stages of showers are trained as plain denoisers")
        told_once = (self.layers.net == "residual", self.layers), (self.voxels.net != "transformer", self.voxels)
        if any(once and stage.process.kind == "average" for once, stage in told_once):
            raise ValueError("average velocities need net = 'plain' for layers and 'transformer' for voxels")
        return self
