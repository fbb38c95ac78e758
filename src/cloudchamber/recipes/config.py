"""Presets: what to build and how to train it, as typed TOML files.

A preset is validated once, here; the rest of the package only sees keyword arguments. Presets that ship with the
package are found by name, others by their path.
"""

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from cloudchamber.errors import InputError
from cloudchamber.events import Level
from cloudchamber.process.sampler import SAMPLERS
from cloudchamber.recipes.point_config import PointStages
from cloudchamber.recipes.sections import Attending, Process, Section, Weights
from cloudchamber.recipes.shower_config import ShowerStages
from cloudchamber.recipes.voxel_config import VoxelStages

__all__ = ["DIFFUSION_STAGES", "Preset", "Process", "load_preset", "preset_names"]


_ELECTRON = 11
_PUBLISHED = Process(schedule="cosine", target="v", times="uniform")
"""The choice of OmniLearn, arXiv:2404.16091."""
_DDPM = Process(kind="variance", schedule="ddpm-cosine", target="eps", steps=500)
"""The choice of arXiv:2310.16308, from arXiv:2102.09672."""
DIFFUSION_STAGES: Mapping[str, tuple[str, ...]] = {
    "cascade": ("electron", "cloud"),
    "omnilearn": ("event", "particles"),
    "image": ("image",),
    "calo": ("visible", "layers", "hits"),
    "calo-voxels": ("layers", "voxels"),
    "calo-points": ("cluster", "hits"),
    "zjets": ("first", "second", "third"),
}
"""Stages of each family that are sampled with a number of network calls."""


def _known_sampler(name: str) -> str:
    if name not in SAMPLERS:
        raise ValueError(f"the sampler '{name}' is unknown; choose one of {', '.join(SAMPLERS)}")
    return name


class ElectronStage(Section):
    """The diffusion model of the scattered electron."""

    width: int = Field(default=128, ge=8, le=4096)
    depth: int = Field(default=3, ge=1, le=64)
    repeats: int = Field(default=4, ge=1, le=64)
    beams: Literal["one", "any"] = Field(default="one", description="any: learn invariants, of samples of many beams")
    process: Process = Process()


class SpeciesStage(Section):
    """The autoregressive model of the species."""

    width: int = Field(default=96, ge=8, le=4096, multiple_of=4)
    depth: int = Field(default=3, ge=1, le=64)


class CloudStage(Attending):
    """The diffusion model of the particles' momenta."""

    width: int = Field(default=128, ge=8, le=4096, multiple_of=4)
    depth: int = Field(default=5, ge=1, le=64)
    heads: int = Field(default=4, ge=1, le=64)
    expansion: int = Field(default=4, ge=1, le=16)
    pairs: bool = Field(default=False, description="tell the attention of the masses of pairs")
    neighbours: int = Field(default=0, ge=0, le=48, description="of edge convolutions before the blocks; 0 for none")
    process: Process = Process()


class EventStage(Section):
    """The diffusion model of event features in the family omnilearn."""

    width: int = Field(default=128, ge=8, le=4096)
    blocks: int = Field(default=2, ge=1, le=64)
    process: Process = _PUBLISHED


class ParticleStage(Attending):
    """The diffusion model of particles in the family omnilearn."""

    width: int = Field(default=128, ge=8, le=4096, multiple_of=4)
    body_blocks: int = Field(default=8, ge=1, le=64)
    head_blocks: int = Field(default=2, ge=1, le=64)
    heads: int = Field(default=4, ge=1, le=64)
    neighbours: int = Field(default=10, ge=1, le=48, description="the public code of the EIC study passes 5")
    hide_padding: bool = Field(default=False, description="as no published network does")
    azimuth: Literal["line", "circle"] = "line"
    process: Process = _PUBLISHED


class ImageStage(Section):
    """Images and their diffusion model in the family image."""

    rows: int = Field(default=64, ge=4, le=1024, description="pixels in pseudorapidity")
    columns: int = Field(default=64, ge=4, le=1024, description="pixels in azimuth")
    channels: tuple[int, ...] = Field(default=(211, 321, 11), min_length=1, description="PDG numbers")
    intensity: Literal["z", "pT"] = "z"
    rescaling: Literal["stretched", "straight"] = "stretched"
    threshold: float | None = Field(default=None, ge=-1, le=1, description="the lower end of the window by default")
    place: Literal["centre", "smeared"] = Field(default="smeared", description="of a particle in its pixel")
    widths: tuple[Annotated[int, Field(ge=8, le=2048, multiple_of=8)], ...] = (64, 128, 192)
    blocks: int = Field(default=2, ge=1, le=16, description="at each level on the way down")
    heads: int = Field(default=4, ge=1, le=64)
    attention: int = Field(default=2, ge=0, le=8, description="levels with attention, from the coarsest")
    patch: int = Field(default=1, ge=1, le=16, description="pixels a side that share the features of one")
    head: int = Field(default=16, ge=1, le=1024, description="features of a pixel where the output is made")
    places: bool = Field(default=True, description="tell the network where a pixel is")
    guess: Literal["none", "linear", "marginal"] = Field(
        default="marginal", description="what the network corrects: nothing, the best linear guess, that of one pixel"
    )
    rivals: bool = Field(default=False, description="tell the network of the other pixels of a column and species")
    process: Process = _DDPM

    @model_validator(mode="after")
    def _divisible(self) -> "ImageStage":
        stride = self.patch * 2 ** (len(self.widths) - 1)
        if not self.widths or self.rows % stride or self.columns % stride:
            raise ValueError(f"rows and columns must be multiples of {stride} = patch x 2^(levels - 1)")
        if any(width % self.heads for width in self.widths):
            raise ValueError("every width must be a multiple of the number of heads")
        if len(set(self.channels)) < len(self.channels) or _ELECTRON not in self.channels:
            raise ValueError("channels must differ, and the electron, 11, must be one of them")
        if self.process.kind == "average":
            raise ValueError("images cannot be trained on average velocities")
        if self.process.marginal and self.guess != "marginal":
            raise ValueError("the likelihood of single pixels needs guess = 'marginal'")
        if self.rivals and self.guess != "marginal":
            raise ValueError("rivals = true needs guess = 'marginal'")
        return self


_MODEL_OF = {
    **dict.fromkeys(("components", "near", "heads", "dropout"), "jetgpt"),
    **dict.fromkeys(("couplings", "bins"), "flow"),
}
"""Of numbers that the other models of vectors do not have."""


class VectorStage(Section):
    """Muons and jets as vectors, and their model in the family zjets."""

    model: Literal["diffusion", "flow", "jetgpt"] = "diffusion"
    azimuth: Literal["line", "turned", "circle"] = Field(default="turned", description="line: as arXiv:2305.10475")
    ordered: bool = Field(default=True, description="put pT of later jets between their bounds")
    muons: Literal["pt", "mass"] = Field(default="pt", description="mass: learn that of the pair for the second pT")
    threshold: Literal["logarithm", "edge"] = Field(default="logarithm", description="edge: cut mixtures of jetgpt")
    width: int = Field(default=256, ge=8, le=4096, multiple_of=4)
    depth: int = Field(default=4, ge=1, le=64)
    couplings: int = Field(default=8, ge=1, le=64, description="of the flow")
    bins: int = Field(default=10, ge=2, le=256, description="of a spline of the flow")
    components: int = Field(default=24, ge=1, le=1024, description="of a mixture of jetgpt")
    near: int = Field(default=0, ge=0, le=1024, description="components of jetgpt on each side of an earlier jet")
    heads: int = Field(default=4, ge=1, le=64, description="of attention in jetgpt")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share that training leaves out of jetgpt's blocks")
    process: Process = Process(times="uniform")

    @model_validator(mode="after")
    def _known_to_the_model(self) -> "VectorStage":
        if (self.azimuth == "circle") != (self.model == "jetgpt"):
            raise ValueError("azimuth = 'circle' and model = 'jetgpt' need each other")
        if self.threshold == "edge" and self.model != "jetgpt":
            raise ValueError("threshold = 'edge' needs model = 'jetgpt'")
        if self.model == "jetgpt" and self.width % self.heads:
            raise ValueError("the width must be a multiple of the number of heads")
        for name, model in _MODEL_OF.items():
            if self.model != model and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} is only known to model = '{model}'")
        return self


class Training(Section):
    """How the model is trained; see `cloudchamber.train.config.TrainingConfig`."""

    batch_size: int = Field(default=256, ge=1, le=1_000_000)
    optimizer: Literal["adamw", "lion", "adamax"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.99)
    learning_rate: float = Field(default=1.5e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warm_up_steps: int = Field(default=500, ge=0)
    steps: int = Field(default=50_000, ge=1)
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    clip_norm: float = Field(default=5.0, gt=0)
    clip_by: Literal["part", "parameter"] = "part"
    window: int = Field(default=50, ge=1, description="batches sorted by length together; 1 for none")


Sampler = Annotated[str, AfterValidator(_known_sampler)]


class Sampling(Section):
    """How the model is sampled by default."""

    calls: int = Field(default=16, ge=1)
    sampler: Sampler = "adams-bashforth"
    stage_calls: dict[str, Annotated[int, Field(ge=1)]] = Field(default={}, description="of stages that take others")
    stage_samplers: dict[str, Sampler] = Field(default={}, description="of stages that take others")


class Preset(Section):
    """A model, its training and its sampling."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    description: str
    level: Level = Field(default=Level.STABLE, description="of events; showers have none")
    family: Literal["cascade", "omnilearn", "image", "calo", "calo-voxels", "calo-points", "zjets"] = "cascade"
    cross_sections: str | None = Field(default=None, description="table with those of any beams and cuts")
    fold_decays: bool = Field(default=False, description="of narrow particles, before learning")
    fold_resonances: bool = Field(default=False, description="broad ones, by lot, after the narrow particles")
    electron: ElectronStage = ElectronStage()
    species: SpeciesStage = SpeciesStage()
    cloud: CloudStage = CloudStage()
    event: EventStage = EventStage()
    particles: ParticleStage = ParticleStage()
    image: ImageStage = ImageStage()
    shower: ShowerStages = ShowerStages()
    voxels: VoxelStages = VoxelStages()
    points: PointStages = PointStages()
    vector: VectorStage = VectorStage()
    bayesian: Weights | None = Field(default=None, description="distributions of weights; none by default")
    training: Training = Training()
    sampling: Sampling = Sampling()

    @model_validator(mode="after")
    def _parts_of_one_family(self) -> "Preset":
        if self.family != "cascade" and self.level is not Level.STABLE:
            raise ValueError(f"the family {self.family} knows only species of the level stable")
        for name in ("stage_calls", "stage_samplers"):
            unknown = set(getattr(self.sampling, name)) - set(DIFFUSION_STAGES[self.family])
            if unknown:
                known = ", ".join(DIFFUSION_STAGES[self.family])
                raise ValueError(f"{name} names '{min(unknown)}', but the stages that take calls are {known}")
        return self

    @property
    def takes_calls(self) -> bool:
        """Whether any stage is sampled with a number of network calls."""
        return self.family != "zjets" or self.vector.model == "diffusion"

    @model_validator(mode="after")
    def _level_of_events(self) -> "Preset":
        if not self.family.startswith("calo") and "level" not in self.model_fields_set:
            raise ValueError("level is missing: stable, pi0 or primary")
        return self

    @model_validator(mode="after")
    def _likelihood_of_images(self) -> "Preset":
        stages = (self.electron, self.cloud, self.event, self.particles)
        if any(stage.process.marginal for stage in stages):
            raise ValueError("only images are trained on the likelihood of single numbers")
        return self

    @model_validator(mode="after")
    def _folds_what_has_decayed(self) -> "Preset":
        if (self.fold_decays or self.fold_resonances) and self.level is not Level.STABLE:
            raise ValueError("fold_decays and fold_resonances need level stable, where the decays are done")
        return self

    @model_validator(mode="after")
    def _any_beams(self) -> "Preset":
        if self.electron.beams == "any" and (self.family != "cascade" or self.fold_decays or self.fold_resonances):
            raise ValueError("beams = 'any' needs the family cascade, without folding")
        return self


def preset_names() -> list[str]:
    """Names of the presets that ship with the package."""
    return sorted(entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.name.endswith(".toml"))


def load_preset(name: str) -> Preset:
    """A preset by its name, or by the path of a TOML file.

    Args:
        name: a shipped preset, or a path that ends in `.toml`.

    Raises:
        InputError: if there is no such preset or the file is malformed.

    >>> load_preset("ep-dis-10x275").level.value
    'primary'
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise InputError(f"the preset '{name}' does not exist; check the path.")
        return _parse(path.read_bytes(), name)
    if name not in preset_names():
        known = ", ".join(preset_names())
        raise InputError(f"the preset '{name}' is unknown; choose one of {known}, or give a .toml file.")
    return _parse((_folder() / f"{name}.toml").read_bytes(), name)


def _folder() -> Any:  # noqa: ANN401
    return resources.files("cloudchamber.recipes") / "presets"


def _parse(text: bytes, name: str) -> Preset:
    try:
        return Preset.model_validate(tomllib.loads(text.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the preset '{name}' is not valid TOML: {error}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"the preset '{name}' is wrong at {where}: {first['msg']}.") from None
