"""Conventions of the Electron-Ion Collider, and the conservation laws, as rules that judge records.

A rule measures one number per event, which is 0 where the event obeys and grows with the violation. The file
passes where the greatest stays within the rule's tolerance. Rules that a file cannot be asked (a Parquet file
has no units) are left out.

Tolerances: four-momentum 1e-6 of the beam energies, which float64 and float32 columns both keep (rounding to
float32 moves the sum by 5e-8), but 1e-4 for other generators, because Pythia8 itself misses 1e-6 in two of a
million events (photons that split into pairs) and asks no more than 1e-4 of them; mass shell 1e-9 E^2 for
energies as written; masses 0.5 MeV, since generators' tables differ from the PDG's by less, and 2e-3 m for
hadrons with charm or bottom, whose tables differ more. Species wider than 0.01 MeV have no fixed mass.
Everything else is counted and must be exact. Events of muons and jets are not whole: they are judged by the
definition of `physics.zjets`, and not asked for sums.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Events, Level
from cloudchamber.physics import pdg
from cloudchamber.physics.conservation import InitialState, Residuals, energies, residuals, sum_per_event
from cloudchamber.physics.dis import dis_variables
from cloudchamber.physics.record import Record, RecordFacts
from cloudchamber.physics.zjets import JET, faults

__all__ = ["RULES", "Check", "Rule", "judge"]

Array = NDArray[np.float64]

MOMENTUM_TOLERANCE = 1e-6
GENERATOR_TOLERANCE = 1e-4
MASS_SHELL_TOLERANCE = 1e-9
HEAD_ON_TOLERANCE = 1e-6
MASS_TOLERANCE_GEV = 5e-4
HEAVY_MASS_TOLERANCE = 2e-3
NARROW_GEV = 1e-5
LONG_LIVED_MM = 10.0
_ELECTRON, _PI0 = 11, 111
_HADRON_BEAMS = (2212, 2112)
_NUCLEUS = 1_000_000_000


@dataclass(frozen=True)
class Check:
    """What a rule found in a file.

    Attributes:
        name: the rule's.
        passed: whether the greatest violation is within the tolerance.
        worst: the greatest violation.
        worst_event: number of the event that has it, from 0.
        tolerance: the rule's.
        description: what is measured.
    """

    name: str
    passed: bool
    worst: float
    worst_event: int
    tolerance: float
    description: str


@dataclass(frozen=True)
class Rule:
    """One convention or law.

    Attributes:
        name: a few words.
        description: what is measured, in which unit.
        measure: violation of each event of a record, shape (n,), or None where the record cannot be asked.
        tolerance: greatest violation that passes, or a function that says it of a record.
    """

    name: str
    description: str
    measure: Callable[["Question"], Array | None]
    tolerance: float | Callable[["Question"], float] = 0.0


class Question:
    """A record with what several rules need of it, computed once.

    Args:
        record: at least one event.
    """

    def __init__(self, record: Record) -> None:
        self.events, self.facts = record.events, record.facts
        self.pdg_id: NDArray[np.int64] = self.events.flat("pdg_id")
        status = self.events.flat("status") if "status" in self.events.columns else np.ones(len(self.pdg_id))
        self.final: NDArray[np.bool_] = status == 1
        self.energy = energies(self.events) if self.facts is None else self.facts.energy
        self.holds_jets = record.events.run.protons is not None
        self.residuals = None if self.holds_jets else self._residuals()

    @property
    def level(self) -> Level | None:
        """Which hadrons have decayed; a HepMC3 file that does not say must be at the stable level."""
        return self.events.run.level or (Level.STABLE if self.facts else None)

    def count(self, faulty: NDArray[np.bool_]) -> Array:
        """Faulty particles of each event, shape (n,).

        Args:
            faulty: one flag per particle.
        """
        return sum_per_event(self.events, faulty.astype(np.float64)[:, None])[:, 0]

    def greatest(self, values: Array) -> Array:
        """Greatest value of each event, 0 in one without particles, shape (n,).

        Args:
            values: one number per particle, at least 0.
        """
        greatest, filled = np.zeros(len(self.events)), self.events.counts > 0
        if filled.any():
            greatest[filled] = np.maximum.reduceat(values, self.events.offsets[:-1][filled])
        return greatest

    def species(self, judge_one: Callable[[int], bool]) -> NDArray[np.bool_]:
        """One flag per particle, by its species.

        Args:
            judge_one: says it of a PDG number.
        """
        codes, inverse = np.unique(self.pdg_id, return_inverse=True)
        return np.array([judge_one(int(code)) for code in codes], dtype=bool)[inverse]

    def _residuals(self) -> Residuals | None:
        if self.facts is not None:
            return residuals(self.events, _initial_state(self.facts), self.energy)
        beams = self.events.run.beams
        return None if beams is None else residuals(self.events, beams)


def judge(records: Iterable[Record]) -> list[Check]:
    """Ask all rules about a file.

    Args:
        records: the file, piece by piece.

    Returns:
        One check for each rule that applies.
    """
    found: dict[str, Check] = {}
    for record in records:
        question = Question(record)
        for rule in RULES:
            values = rule.measure(question)
            if values is None:
                continue
            check = _check(rule, question, values, record.first)
            if rule.name not in found or check.worst > found[rule.name].worst:
                found[rule.name] = check
    return [found[rule.name] for rule in RULES if rule.name in found]


def _check(rule: Rule, question: Question, values: Array, first: int) -> Check:
    violation = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=np.inf, posinf=np.inf)
    place = int(np.argmax(violation))
    worst = float(violation[place])
    tolerance = rule.tolerance(question) if callable(rule.tolerance) else rule.tolerance
    return Check(rule.name, worst <= tolerance, worst, first + place, tolerance, rule.description)


def _initial_state(facts: RecordFacts) -> InitialState:
    known = np.array([[code if pdg.is_known(code) else 22 for code in pair] for pair in facts.beam_ids.tolist()])
    return InitialState(facts.beam_momenta.sum(1), pdg.quantum_table(known.ravel()).reshape(-1, 2, 10).sum(1))


def _flags(faulty: NDArray[np.bool_]) -> Array:
    return faulty.astype(np.float64)


def _finite(question: Question) -> Array:
    columns = [question.events.flat(name) for name in ("px", "py", "pz", "mass")]
    wrong: NDArray[np.bool_] = np.any([~np.isfinite(values) for values in (*columns, question.energy)], axis=0)
    return question.count(wrong)


def _weights(question: Question) -> Array:
    return _flags(~np.isfinite(question.events.weight))


def _units(question: Question) -> Array | None:
    return None if question.facts is None else _flags(~question.facts.standard_units)


def _beams(question: Question) -> Array | None:
    facts = question.facts
    if facts is None:
        return np.full(len(question.events), float(question.events.run.beams is None and not question.holds_jets))
    if question.holds_jets:
        return _flags(~((facts.beam_count == 2) & (facts.beam_ids == _HADRON_BEAMS[0]).all(1)))
    hadron = np.isin(facts.beam_ids[:, 1], _HADRON_BEAMS) | (facts.beam_ids[:, 1] > _NUCLEUS)
    good = (facts.beam_count == 2) & (facts.beam_ids[:, 0] == _ELECTRON) & hadron
    return _flags(~good)


def _head_on(question: Question) -> Array | None:
    if question.facts is None:
        return None
    momenta = question.facts.beam_momenta
    transverse = np.hypot(momenta[..., 1], momenta[..., 2]) / momenta[..., 0]
    worst: Array = transverse.max(1)
    return worst


def _vertex(question: Question) -> Array | None:
    return None if question.facts is None else _flags(~question.facts.joined_beams)


def _status(question: Question) -> Array | None:
    if question.facts is not None:
        return question.facts.status_faults.astype(np.float64)
    if "mother" not in question.events.columns:
        return None
    return question.count(question.final == _decayed(question.events))


def _electron(question: Question) -> Array | None:
    if question.holds_jets:
        return None
    events, beams = question.events, question.events.run.beams
    first = np.minimum(events.offsets[:-1], max(len(question.pdg_id) - 1, 0))
    if not len(question.pdg_id):
        return np.ones(len(events))
    good = (events.counts > 0) & (question.pdg_id[first] == _ELECTRON) & question.final[first]
    if beams is not None:
        momentum = [
            question.energy[first],
            *(events.flat(name)[first].astype(float) for name in ("px", "py", "pz")),
        ]
        with np.errstate(invalid="ignore", divide="ignore"):
            v = dis_variables(np.stack(momentum, axis=-1), beams)
        good &= (v.Q2 > 0) & (v.y > 0) & (v.y <= 1) & (v.W2 > 0)
    return _flags(~good)


def _cross_section(question: Question) -> Array:
    facts, run = question.facts, question.events.run
    if facts is None:
        return np.full(len(question.events), float(not run.cross_section_pb))
    return _flags(~(facts.cross_section_pb > 0))


def _momentum(question: Question) -> Array | None:
    if question.residuals is None:
        return None
    beams, facts = question.events.run.beams, question.facts
    scale = np.array(beams.electron + beams.hadron) if beams and not facts else None
    if facts is not None:
        scale = facts.beam_momenta[..., 0].sum(1)
    worst: Array = np.abs(question.residuals.momentum).max(1) / scale
    return worst


def _precision(question: Question) -> float:
    """How exactly the generator of the events conserves four-momentum."""
    generator = question.events.run.generator
    ours = generator is None or generator.startswith("cloudchamber")
    return MOMENTUM_TOLERANCE if ours else GENERATOR_TOLERANCE


def _charge(question: Question) -> Array | None:
    return None if question.residuals is None else np.abs(question.residuals.charge3).astype(np.float64) / 3


def _baryon(question: Question) -> Array | None:
    return None if question.residuals is None else np.abs(question.residuals.baryon).astype(np.float64)


def _leptons(question: Question) -> Array | None:
    return None if question.residuals is None else np.abs(question.residuals.leptons).max(1).astype(np.float64)


def _flavours(question: Question) -> Array | None:
    if question.residuals is None or question.residuals.flavours is None:
        return None
    worst: Array = np.abs(question.residuals.flavours).max(1).astype(np.float64)
    return worst


def _mass_shell(question: Question) -> Array | None:
    if question.facts is None:
        return None
    px, py, pz, mass = (question.events.flat(name).astype(np.float64) for name in ("px", "py", "pz", "mass"))
    square = question.energy**2
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.abs(square - px**2 - py**2 - pz**2 - mass * np.abs(mass)) / square
    return question.greatest(np.where(np.isnan(relative), np.inf, relative))


def _masses(question: Question) -> Array:
    codes, inverse = np.unique(question.pdg_id, return_inverse=True)
    listed = np.array([_listed_mass(int(code)) for code in codes]).reshape(-1, 2)[inverse]
    violation = np.abs(question.events.flat("mass") - listed[:, 0]) / listed[:, 1]
    return question.greatest(np.where(np.isnan(listed[:, 0]), 0.0, violation))


def _listed_mass(pdg_id: int) -> tuple[float, float]:
    """Mass of a narrow species and its tolerance in GeV; NaN where it has no fixed mass."""
    species = pdg.species(pdg_id)
    if species.mass is None or species.width is None or species.width > NARROW_GEV or not pdg.is_known(pdg_id):
        return np.nan, np.nan
    heavy = any(pdg.quantum_numbers(pdg_id).flavours[3:])
    return species.mass, HEAVY_MASS_TOLERANCE * species.mass if heavy else MASS_TOLERANCE_GEV


def _jets(question: Question) -> Array | None:
    return faults(question.events) if question.holds_jets else None


def _unknown_species(question: Question) -> Array:
    pseudo = (JET,) if question.holds_jets else ()
    return question.count(~question.species(lambda code: code in pseudo or pdg.is_known(code)))


def _undecayed(question: Question) -> Array | None:
    level = question.level
    if level is None or level is Level.PRIMARY or question.holds_jets:
        return None
    allowed = (_PI0,) if level is Level.PI0 else ()
    short_lived = ~question.species(lambda code: code in allowed or _is_long_lived(code))
    return question.count(short_lived & question.final)


def _is_long_lived(pdg_id: int) -> bool:
    c_tau = pdg.species(pdg_id).c_tau
    return c_tau is not None and c_tau > LONG_LIVED_MM


def _decays(question: Question) -> Array | None:
    events = question.events
    if "mother" not in events.columns:
        return None
    mother = events.flat("mother").astype(np.int64)
    row = mother + np.repeat(events.offsets[:-1], events.counts)
    columns = [question.energy, *(events.flat(name).astype(np.float64) for name in ("px", "py", "pz"))]
    momentum, daughters = np.stack(columns, axis=-1), np.zeros((len(mother), 4))
    inside = (mother >= 0) & (row < len(mother))
    np.add.at(daughters, row[inside], momentum[inside])
    change = np.abs(daughters - momentum).max(1) / question.energy
    return question.greatest(np.where(_decayed(events), change, 0.0))


def _decayed(events: Events) -> NDArray[np.bool_]:
    """Whether each particle is the mother of another."""
    mother, flags = events.flat("mother").astype(np.int64), np.zeros(events.offsets[-1], dtype=bool)
    row = mother + np.repeat(events.offsets[:-1], events.counts)
    flags[row[(mother >= 0) & (row < len(flags))]] = True
    return flags


RULES = (
    Rule("finite", "particles with a momentum, mass or energy that is not finite", _finite),
    Rule("weights", "1 where the event weight is not finite", _weights),
    Rule("units", "1 where units are not GEV and MM", _units),
    Rule("beams", "1 where there are not an electron (-z) and a proton or nucleus (+z), or two protons", _beams),
    Rule("head-on frame", "transverse momentum of a beam / its energy", _head_on, HEAD_ON_TOLERANCE),
    Rule("primary vertex", "1 where no vertex takes in both beams", _vertex),
    Rule("status", "final particles (1) that decay, and decayed ones (2) that do not", _status),
    Rule("scattered electron", "1 where there is no first final electron with possible Q2, y", _electron),
    Rule("muons and jets", "1 where there are not mu-, mu+, then 1 to 3 separated jets in falling pT", _jets),
    Rule("cross-section", "1 where it is missing", _cross_section),
    Rule("known species", "particles of unknown species, or partons", _unknown_species),
    Rule("undecayed hadrons", "final particles with c tau below 10 mm", _undecayed),
    Rule("masses", "|m - m(PDG)| of narrow species / tolerance", _masses, 1.0),
    Rule("mass shell", "|E2 - p2 - m2| / E2", _mass_shell, MASS_SHELL_TOLERANCE),
    Rule("four-momentum", "component of |sum P - beams| / beam energies", _momentum, _precision),
    Rule("charge", "|sum of charges - beams|", _charge),
    Rule("baryon number", "|sum - beams|", _baryon),
    Rule("lepton numbers", "|sum - beams|, electron, muon or tau", _leptons),
    Rule("flavours", "|net d, u, s, c, b quarks before decays - beams|", _flavours),
    Rule("decays", "component of |daughters - mother| / energy of the mother", _decays, _precision),
)  # fmt: skip
