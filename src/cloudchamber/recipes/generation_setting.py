"""What a generation run is asked for, checked where it is said."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from cloudchamber.errors import require
from cloudchamber.formats import files
from cloudchamber.process.sampler import SAMPLERS
from cloudchamber.recipes.completion import Completion
from cloudchamber.recipes.phase_space import PhaseSpace

__all__ = ["GenerationSetting"]


@dataclass(frozen=True, kw_only=True)
class GenerationSetting:
    """What to generate.

    Attributes:
        seed: names the random streams.
        calls: network calls of each diffusion stage; the preset's by default.
        sampler: solver of the diffusion stages; the preset's by default.
        decay: finish the decays where the model leaves hadrons undecayed.
        history: keep decayed particles with status 2 and their vertices.
        project: make four-momentum exact; off only for studies.
        precision: of matrix products; `auto` is bfloat16 where the processor multiplies it faster than float32, but
            float32 for small networks that make images, jets, or showers hit by hit.
        completion: scattered electrons to complete, one for each event of the run; None to draw them.
        phase_space: beams and cuts.
        draw: number of a draw of the weights, of a model that has distributions of them; None for their means.

    Raises:
        InputError: if a number or the sampler is impossible.
    """

    seed: int = 0
    calls: int | None = None
    sampler: str | None = None
    decay: bool = True
    history: bool = False
    project: bool = True
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    completion: Completion | None = None
    phase_space: PhaseSpace = field(default_factory=PhaseSpace)
    draw: int | None = None

    @classmethod
    def of(cls, seed: int, options: dict[str, Any]) -> "GenerationSetting":
        """A setting from options by name, those of the phase space (`beams`, `q2_min`, ...) among them.

        Args:
            seed: names the random streams.
            options: see `PhaseSpace.of` and the attributes.
        """
        rest = dict(options)
        return cls(seed=seed, phase_space=PhaseSpace.of(rest), **rest)

    def completing(self, completion: Completion) -> "GenerationSetting":
        """The same for given electrons, with their beams.

        Args:
            completion: the electrons.
        """
        return replace(self, completion=completion, phase_space=replace(self.phase_space, beams=completion.run.beams))

    def __post_init__(self) -> None:
        require(self.seed >= 0, f"--seed {self.seed} is impossible: it must be at least 0.")
        require(self.draw is None or self.draw >= 0, f"--draw {self.draw} is impossible: it must be at least 0.")
        require(self.calls is None or self.calls > 0, f"--calls {self.calls} is impossible: give at least 1.")
        require(
            self.sampler is None or self.sampler in SAMPLERS,
            f"the sampler '{self.sampler}' is unknown; choose one of {', '.join(SAMPLERS)}.",
        )

    def require_electrons_kept(self, out: Path) -> None:
        """Refuse to write over the file that the given electrons come from.

        Args:
            out: the file to make.

        Raises:
            InputError: if it is that file, or a shard of that folder.
        """
        if self.completion is not None and self.completion.path is not None:
            files.require_other_path(self.completion.path, out)
