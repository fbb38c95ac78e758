"""What all sections of a preset share, the choice of a diffusion process, and that of distributions of weights."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Attending", "Process", "Section", "Weights"]


class Section(BaseModel):
    """A table of a preset: frozen, finite, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Attending(Section):
    """A stage with attention, whose heads share its width evenly."""

    width: int
    heads: int

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.width % self.heads:
            raise ValueError("the width must be a multiple of the number of heads")
        return self


class Process(Section):
    """How noise becomes data in a diffusion stage: a choice of parts of `cloudchamber.process`."""

    kind: Literal["denoiser", "variance", "average", "likelihood"] = "denoiser"
    schedule: Literal["rectified", "cosine", "vp", "sub-vp", "ve", "edm", "ddpm-linear", "ddpm-cosine"] = "rectified"
    target: Literal["eps", "x", "v", "velocity", "edm"] = "velocity"
    times: Literal["uniform", "logit-normal", "log-normal"] = "logit-normal"
    weight: Literal["simple", "likelihood", "edm"] = "simple"
    steps: int = Field(default=1000, ge=21, le=10_000, description="of the discrete schedules")
    floor: float = Field(default=1e-3, gt=0, le=1, description="share of uniform draws of the step, learnt variances")

    @model_validator(mode="after")
    def _variance_is_discrete(self) -> "Process":
        if self.kind == "variance" and not self.schedule.startswith("ddpm"):
            raise ValueError("a learnt variance needs a schedule ddpm-linear or ddpm-cosine")
        return self

    @property
    def marginal(self) -> bool:
        """Whether it is trained on the likelihood of single numbers, which images with marginals have alone."""
        return self.kind == "likelihood"

    @model_validator(mode="after")
    def _averages_are_velocities(self) -> "Process":
        if self.kind == "average" and (self.target != "velocity" or self.schedule in {"ve", "edm"}):
            raise ValueError("average velocities have the target velocity and no schedule that scales its input")
        return self


class Weights(Section):
    """Distributions instead of weights: the section `bayesian`, see `cloudchamber.models.bayesian`."""

    stages: tuple[str, ...] = Field(default=(), description="names; all by default")
    layers: str = Field(default="all", min_length=1, description="all, last, or a pattern of names")
    precision: float = Field(default=1.0, gt=0, le=1e8, description="of the prior, 1 / variance")
    log_variance: float = Field(default=-9.0, ge=-30, le=5, description="at the start")
    temperature: float = Field(default=1.0, gt=0, le=1e6, description="weight of the KL divergence")
