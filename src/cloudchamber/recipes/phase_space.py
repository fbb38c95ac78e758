"""Beams and cuts that a user asks for: whether a model can serve them, and with what cross-section."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from cloudchamber.errors import InputError, require
from cloudchamber.events import Beams, Cuts, exact
from cloudchamber.physics.inclusive import CrossSection, InclusiveTable
from cloudchamber.physics.kinematics import center_of_mass_energy
from cloudchamber.physics.phase_space import squared_energy
from cloudchamber.recipes.store import Card, pretrained_folder

__all__ = ["CUT_NAMES", "PhaseSpace", "beams_of", "cross_section_of", "energies_of", "resolve", "table_named"]

CUT_NAMES = ("q2_min", "q2_max", "x_min", "x_max", "y_min", "y_max")


@dataclass(frozen=True, kw_only=True)
class PhaseSpace:
    """Beams and cuts of a run.

    Attributes:
        beams: energies in GeV; None where the model knows one setting only.
        cuts: on Q2 (GeV2), x and y of the scattered electron.
        extrapolate: allow beams outside of the energies that the model was trained at.
        jets: number of jets of every event; None for all numbers.
        inside_cuts: draw events outside of the cuts on jets again.
    """

    beams: Beams | None = None
    cuts: Cuts = field(default_factory=Cuts)
    extrapolate: bool = False
    jets: int | None = None
    inside_cuts: bool = False

    @classmethod
    def of(cls, options: dict[str, Any]) -> "PhaseSpace":
        """Take what belongs here out of options: `beams` (also as `18x275`), cuts by name, and the others by theirs.

        Args:
            options: by name; changed.

        Raises:
            InputError: if a cut is no finite number, or the beams are impossible.
        """
        beams = options.pop("beams", None)
        given = {name: options.pop(name, None) for name in CUT_NAMES}
        for name, value in given.items():
            require(
                value is None or bool(np.isfinite(value)),
                f"--{name.replace('_', '-')} {value} is impossible: give a finite number, or leave it out.",
            )
        cuts = Cuts(**given)
        known = Beams.parse(beams) if isinstance(beams, str) else beams
        return cls(beams=known, cuts=cuts, extrapolate=options.pop("extrapolate", False),
                   jets=options.pop("jets", None), inside_cuts=options.pop("inside_cuts", False))  # fmt: skip

    @property
    def flags(self) -> str:
        """The options of `generate` that ask for it."""
        beams = ""
        if self.beams is not None:
            beams = f" --beams {exact(self.beams.electron)}x{exact(self.beams.hadron)}"
        given = {name: getattr(self.cuts, name) for name in CUT_NAMES}
        cuts = "".join(f" --{name.replace('_', '-')} {exact(v)}" for name, v in given.items() if v is not None)
        jets = ("" if self.jets is None else f" --jets {self.jets}") + " --inside-cuts" * self.inside_cuts
        return beams + cuts + (" --extrapolate" if self.extrapolate else "") + jets


def resolve(card: Card, wanted: PhaseSpace) -> PhaseSpace:
    """Beams and cuts of a run, with the model's own where nothing is asked for.

    Args:
        card: of the model.
        wanted: what a user asks for.

    Raises:
        InputError: if the model cannot serve them.
    """
    beams = beams_of(card, wanted.beams, wanted.extrapolate)
    own, cuts = card.data.cuts, wanted.cuts
    _require_possible(cuts, beams)
    if cuts.q2_min is not None and cuts.q2_min < (own.q2_min or 0.0):
        raise InputError(f"--q2-min {cuts.q2_min:g} GeV2 is below {own.q2_min:g} GeV2, the least the model has learnt.")
    given = {name: getattr(cuts, name) for name in CUT_NAMES if getattr(cuts, name) is not None}
    return PhaseSpace(beams=beams, cuts=own.model_copy(update=given), extrapolate=wanted.extrapolate)


def beams_of(card: Card, wanted: Beams | None, extrapolate: bool = False) -> Beams:
    """The beams of a run.

    Args:
        card: of the model.
        wanted: what a user asks for, if anything.
        extrapolate: allow energies outside of those that the model was trained at.

    Raises:
        InputError: if the model does not know these beams, or knows many and none are asked for.
    """
    name = card.preset.name
    if card.preset.electron.beams == "one":
        assert card.data.beams is not None
        if wanted not in (None, card.data.beams):
            raise InputError(
                f"the model '{name}' was trained at {card.data.beams.name} only; for --beams {wanted.name} take a "
                "model of any beams, which the preset ep-dis trains."
            )
        return card.data.beams
    if wanted is None:
        raise InputError(f"the model '{name}' knows many beams; choose some with --beams, for example --beams 10x275.")
    low, high = energies_of(card)
    energy = center_of_mass_energy(wanted)
    if not (low * (1 - 1e-6) <= energy <= high * (1 + 1e-6) or extrapolate):
        raise InputError(
            f"--beams {wanted.name} have sqrt(s) = {energy:.1f} GeV, but the model '{name}' was trained from {low:.1f} "
            f"to {high:.1f} GeV; add --extrapolate to go beyond at your own risk."
        )
    return wanted


def energies_of(card: Card) -> tuple[float, float]:
    """Smallest and largest sqrt(s) in GeV that a model was trained at.

    Args:
        card: of the model.
    """
    if card.data.beams is not None:
        energy = center_of_mass_energy(card.data.beams)
        return energy, energy
    low, high = card.domain["sqrt_s_GeV"]
    return low, high


def _require_possible(cuts: Cuts, beams: Beams) -> None:
    """Refuse cuts that no electron can pass, which needs Q2 = s x y."""
    for name in ("q2", "x", "y"):
        low, high = getattr(cuts, f"{name}_min"), getattr(cuts, f"{name}_max")
        least, most = low or 0.0, np.inf if high is None else high
        if least < 0 or most <= least or (name != "q2" and least >= 1):
            raise InputError(
                f"the cuts {least:g} to {most:g} on {name.upper() if name == 'q2' else name} leave nothing."
            )
    s = squared_energy(beams)
    largest = s * min(1.0, cuts.x_max or 1.0) * min(1.0, cuts.y_max or 1.0)
    smallest = s * (cuts.x_min or 0.0) * (cuts.y_min or 0.0)
    if (cuts.q2_min or 0.0) >= largest:
        raise InputError(
            f"--q2-min {cuts.q2_min:g} GeV2 leaves nothing at {beams.name}: with these cuts Q2 = s x y is at most "
            f"{largest:.5g} GeV2."
        )
    if cuts.q2_max is not None and cuts.q2_max <= smallest:
        raise InputError(
            f"--q2-max {cuts.q2_max:g} GeV2 leaves nothing at {beams.name}: with these cuts Q2 = s x y is at least "
            f"{smallest:.5g} GeV2."
        )


def cross_section_of(card: Card, run: PhaseSpace) -> CrossSection | None:
    """The cross-section inside of beams and cuts; None where the model has no table that holds them.

    Args:
        card: of the model.
        run: resolved.
    """
    if card.preset.cross_sections is None or run.beams is None:
        return None
    table, s = table_named(card.preset.cross_sections), squared_energy(run.beams)
    return table.cross_section(s, run.cuts) if table.covers(s) else None


@cache
def table_named(name: str) -> InclusiveTable:
    """A table of cross-sections that ships with the package.

    Args:
        name: for example `nc-dis-pythia8`.

    Raises:
        InputError: if there is none of that name.
    """
    path = pretrained_folder() / f"{name}.npz"
    if not path.is_file():
        raise InputError(
            f"the table of cross-sections '{name}' does not exist; leave cross_sections out of the preset."
        )
    with np.load(path, allow_pickle=False) as stored:
        columns = {field: np.asarray(stored[field], dtype=np.float64) for field in ("ln_s", "values", "variances")}
        return InclusiveTable(**columns, pt_min=float(stored["pt_min"]))
