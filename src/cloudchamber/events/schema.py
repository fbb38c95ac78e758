"""What a run was: beams, cuts, decay level, cross-section, generator and provenance.

The metadata travels with the events through every file format. It is validated when read, because files are not
trusted, and every field may be unknown (None) in files that other programs wrote.
"""

import re
from enum import StrEnum
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from cloudchamber.errors import InputError

__all__ = ["NAMED_BEAMS", "Beams", "Cuts", "Level", "ProtonBeams", "RunInfo", "exact"]

NAMED_BEAMS = ("5x41", "5x100", "9x130", "10x100", "10x275", "18x275")
"""Electron x hadron settings of the EIC campaigns, in GeV."""


def exact(number: float) -> str:
    """The shortest text that is read back as this number.

    Args:
        number: any.

    >>> exact(25.0), exact(30.12346), exact(1e-5)
    ('25', '30.12346', '1e-05')
    """
    return repr(float(number)).removesuffix(".0")


class Level(StrEnum):
    """Which hadrons have decayed.

    `STABLE`: all with c tau <= 10 mm. `PI0`: the same, with neutral pions left whole. `PRIMARY`: none, every hadron
    that leaves the string is kept.
    """

    STABLE = "stable"
    PI0 = "pi0"
    PRIMARY = "primary"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Beams(_Frozen):
    """Head-on electron (along -z) and proton (along +z) beams, in GeV."""

    electron: float = Field(gt=0.01, le=1e5)
    hadron: float = Field(gt=1.0, le=1e6)

    @classmethod
    def parse(cls, name: str) -> Self:
        """Beams from a name such as `10x275`: electron x hadron energy in GeV.

        Args:
            name: one of the campaign settings, or any `ExH` in GeV.

        Raises:
            InputError: if the name is not of the form `ExH` or an energy is out of range.

        >>> Beams.parse("18x275").hadron
        275.0
        """
        match = re.fullmatch(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)", name.strip())
        if match is None:
            raise InputError(
                f"beams '{name}' are not understood: give electron x hadron energies in GeV, for example "
                f"{', '.join(NAMED_BEAMS)}."
            )
        electron, hadron = (float(number) for number in match.groups())
        if not (0.01 < electron <= 1e5 and 1.0 < hadron <= 1e6):
            raise InputError(
                f"beams '{name}' are impossible: the electron needs 0.01 to 100000 GeV and the proton more than "
                "1 GeV, at most 1000000 GeV."
            )
        return cls(electron=electron, hadron=hadron)

    @property
    def name(self) -> str:
        """The campaign's way to write the setting, `ExH`."""
        return f"{self.electron:g}x{self.hadron:g}"


class ProtonBeams(_Frozen):
    """Two head-on proton beams of the same energy, in GeV."""

    energy: float = Field(gt=1.0, le=1e6)


class Cuts(_Frozen):
    """Phase-space cuts that the sample was made with; Q2 in GeV^2; files hold those on x and y if there are any."""

    q2_min: float | None = None
    q2_max: float | None = None
    pt_electron_min: float | None = None
    x_min: float | None = None
    x_max: float | None = None
    y_min: float | None = None
    y_max: float | None = None

    @model_serializer(mode="wrap")
    def _without_idle_cuts(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        idle = {name for name in ("x_min", "x_max", "y_min", "y_max") if getattr(self, name) is None}
        return {name: value for name, value in serialise(self).items() if name not in idle}


class RunInfo(_Frozen):
    """Metadata of a sample, written as JSON into every file.

    Attributes of the physics (`beams`, `cuts`, `level`, cross-section in pb) come first, then where it came from.
    """

    beams: Beams | None = None
    protons: ProtonBeams | None = None
    """Instead of `beams`; files hold it if it is given."""
    cuts: Cuts = Cuts()
    level: Level | None = None
    process: str | None = None
    cross_section_pb: float | None = None
    cross_section_error_pb: float | None = None
    generator: str | None = None
    generator_version: str | None = None
    settings: tuple[str, ...] = ()
    seed: int | None = None
    provenance: dict[str, Any] = Field(default_factory=dict)

    @model_serializer(mode="wrap")
    def _without_idle_protons(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found = serialise(self)
        return {name: value for name, value in found.items() if name != "protons" or value is not None}

    @model_validator(mode="after")
    def _positive_cross_section(self) -> Self:
        if self.cross_section_pb is not None and self.cross_section_pb < 0:
            raise ValueError("cross_section_pb must not be negative")
        return self

    def with_(self, **changes: Any) -> "RunInfo":  # noqa: ANN401
        """A copy with some fields changed.

        Args:
            **changes: new field values by name.
        """
        return self.model_copy(update=changes)
