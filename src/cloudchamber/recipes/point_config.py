"""Sections of a preset of the family calo-points, the point-cloud model of showers of arXiv:2307.04780."""

from typing import Self

from pydantic import Field, model_validator

from cloudchamber.recipes.sections import Process, Section

__all__ = ["ClusterStage", "PointStage", "PointStages"]

_PUBLISHED = Process(schedule="ddpm-cosine", target="v", times="uniform", steps=512)
"""The choice of arXiv:2307.04780."""


class ClusterStage(Section):
    """The diffusion model of the energy and the number of hits."""

    width: int = Field(default=128, ge=8, le=4096)
    blocks: int = Field(default=4, ge=1, le=64)
    process: Process = _PUBLISHED


class PointStage(Section):
    """The diffusion model of the hits."""

    width: int = Field(default=64, ge=8, le=4096)
    depth: int = Field(default=8, ge=1, le=64)
    heads: int = Field(default=1, ge=1, le=64)
    process: Process = _PUBLISHED


class PointStages(Section):
    """Both stages, in the order in which they are sampled."""

    cluster: ClusterStage = ClusterStage()
    hits: PointStage = PointStage()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.hits.width % self.hits.heads:
            raise ValueError("the width of the hits must be a multiple of its heads")
        if any(stage.process.kind != "denoiser" for stage in (self.cluster, self.hits)):
            raise ValueError("stages of points are trained as plain denoisers")
        return self
