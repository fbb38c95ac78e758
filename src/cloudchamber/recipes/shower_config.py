"""Sections of a preset of the family calo: the stages that make a shower."""

from typing import Self

from pydantic import Field, model_validator

from cloudchamber.recipes.sections import Process, Section

__all__ = ["CellStage", "CountsStage", "SetStage", "ShareStage", "ShowerStages", "VisibleStage"]


class VisibleStage(Section):
    """The diffusion model of the visible energy."""

    width: int = Field(default=64, ge=8, le=4096)
    depth: int = Field(default=2, ge=1, le=64)
    repeats: int = Field(default=8, ge=1, le=64)
    process: Process = Process()


class CountsStage(Section):
    """The autoregressive model of the hits of each layer."""

    width: int = Field(default=64, ge=8, le=4096, multiple_of=4)
    depth: int = Field(default=2, ge=1, le=64)
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share that training leaves out of each block")


class SetStage(Section):
    """A diffusion model of a set: the energies of the layers, or the hits."""

    width: int = Field(default=64, ge=8, le=4096, multiple_of=4)
    depth: int = Field(default=3, ge=1, le=64)
    heads: int = Field(default=4, ge=1, le=64)
    expansion: int = Field(default=4, ge=1, le=16)
    process: Process = Process()


class ShareStage(Section):
    """The autoregressive model of the layers' shares of the energy."""

    width: int = Field(default=64, ge=8, le=4096, multiple_of=4)
    depth: int = Field(default=3, ge=1, le=64)
    heads: int = Field(default=4, ge=1, le=64)
    bins: int = Field(default=64, ge=2, le=4096, description="in which shares are told apart")
    smoothing: float = Field(default=0.0, ge=0, le=100, description="of what is learnt, in bins")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share that training leaves out of each block")


class CellStage(Section):
    """The autoregressive model of hits in cells."""

    width: int = Field(default=128, ge=8, le=4096, multiple_of=4, description="features of a layer")
    depth: int = Field(default=3, ge=1, le=64)
    heads: int = Field(default=4, ge=1, le=64)
    hidden: int = Field(default=256, ge=8, le=4096, description="features of a hit")
    bins: int = Field(default=64, ge=2, le=4096, description="in which shares are told apart")


class ShowerStages(Section):
    """All stages, in the order in which they are sampled.

    With `shares` and `cells`, which come together, these make layers and hits one after the other; otherwise `layers`
    and `hits` make them by diffusion.
    """

    visible: VisibleStage = VisibleStage()
    counts: CountsStage = CountsStage()
    layers: SetStage = SetStage()
    hits: SetStage = SetStage(width=128, depth=5)
    shares: ShareStage | None = None
    cells: CellStage | None = None

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if (self.shares is None) != (self.cells is None):
            raise ValueError("the stages shares and cells come together")
        sets = [stage for stage in (self.layers, self.hits, self.shares, self.cells) if stage is not None]
        if any(stage.width % stage.heads for stage in sets):
            raise ValueError("the width of a stage must be a multiple of its heads")
        if any(stage.process.kind not in ("denoiser", "average") for stage in (self.visible, self.layers, self.hits)):
            raise ValueError("stages of showers are trained as plain denoisers")
        return self
