"""`metrics.json`: the numbers of an evaluation in a versioned schema, as strict JSON.

Every score has value, error, floor, floor_spread, ratio, p_value, n, n_pairs, pair_size and floor_scale. What
could not be measured is null, never NaN. `MetricsDocument.model_json_schema()` is the JSON schema.
"""

from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from cloudchamber.evaluate.evaluation import Evaluation, Measurement, Multiplicity
from cloudchamber.evaluate.observables import OBSERVABLES
from cloudchamber.evaluate.score import Score
from cloudchamber.events import RunInfo

__all__ = ["SCHEMA_VERSION", "MetricsDocument", "ScoreRecord", "to_document"]

SCHEMA_VERSION: Literal[1] = 1


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ScoreRecord(_Record):
    """One number beside its floor; see `cloudchamber.evaluate.score`."""

    value: float
    error: float
    floor: float | None
    floor_spread: float | None
    ratio: float | None
    p_value: float | None
    n: int
    n_pairs: int
    pair_size: int
    floor_scale: float

    @classmethod
    def of(cls, score: Score) -> "ScoreRecord":
        """The record of a score.

        Args:
            score: the score.
        """
        return cls(
            value=score.value, error=score.error, floor=score.floor, floor_spread=score.floor_spread,
            ratio=score.ratio, p_value=score.p_value, n=score.n, n_pairs=score.n_pairs,
            pair_size=score.pair_size, floor_scale=score.scale,
        )  # fmt: skip


class WassersteinRecord(_Record):
    """A Wasserstein distance; `species` is null for event observables, `score` where too little was there."""

    species: str | None
    quantity: str
    unit: str
    description: str
    score: ScoreRecord | None


class MultiplicityRecord(_Record):
    """Mean number per event; `score` is the size of the relative difference."""

    species: str
    candidate: float
    candidate_error: float
    reference: float
    reference_error: float
    relative_difference: float | None
    score: ScoreRecord | None


class ConservationRecord(_Record):
    """Largest and root-mean-square residual of one law."""

    law: str
    unit: str
    candidate_max: float
    candidate_rms: float
    reference_max: float
    reference_rms: float


class ImportanceRecord(_Record):
    """Loss of area under the curve when one observable is shuffled."""

    observable: str
    loss_of_area: float


class ClassifierRecord(_Record):
    """The classifier test."""

    area: ScoreRecord
    importance: tuple[ImportanceRecord, ...]


class VerdictRecord(_Record):
    """The conclusion."""

    indistinguishable: bool | None
    p_value: float | None
    sentence: str
    reasons: tuple[str, ...]


class SettingsRecord(_Record):
    """What was compared with what."""

    version: str
    budget: str
    n: int
    n_reference: int
    effective_n: float
    effective_n_reference: float
    n_pairs: int
    pair_size: int
    level: str | None
    beams: str
    candidate: dict[str, Any]
    reference: dict[str, Any]
    acceptance: str | None = None


class MetricsDocument(_Record):
    """Everything in `metrics.json`."""

    schema_name: Literal["cloudchamber.metrics"] = "cloudchamber.metrics"
    schema_version: Literal[1] = SCHEMA_VERSION
    settings: SettingsRecord
    verdict: VerdictRecord
    classifier: ClassifierRecord
    particles: tuple[WassersteinRecord, ...]
    events: tuple[WassersteinRecord, ...]
    multiplicities: tuple[MultiplicityRecord, ...]
    conservation: tuple[ConservationRecord, ...]


def to_document(evaluation: Evaluation, candidate_name: str, reference_name: str) -> MetricsDocument:
    """The document of an evaluation.

    Args:
        evaluation: its result.
        candidate_name: what to call the candidate.
        reference_name: what to call the reference.
    """
    verdict = evaluation.verdict
    return MetricsDocument(
        settings=_settings(evaluation, candidate_name, reference_name),
        verdict=VerdictRecord(indistinguishable=verdict.indistinguishable, p_value=verdict.p_value,
                              sentence=verdict.sentence, reasons=verdict.reasons),
        classifier=_classifier(evaluation),
        particles=tuple(_distance(m) for m in evaluation.particles),
        events=tuple(_distance(m) for m in evaluation.events),
        multiplicities=tuple(_multiplicity(m) for m in evaluation.multiplicities),
        conservation=tuple(
            ConservationRecord(law=r.law, unit=r.unit, candidate_max=r.candidate[0],
            candidate_rms=r.candidate[1],
                               reference_max=r.reference[0], reference_rms=r.reference[1])
            for r in evaluation.conservation
        ),
    )  # fmt: skip


def _settings(evaluation: Evaluation, candidate_name: str, reference_name: str) -> SettingsRecord:
    from cloudchamber import __version__

    plan, sizes = evaluation.plan, evaluation.effective_sizes
    level = evaluation.candidate.level or evaluation.reference.level
    return SettingsRecord(
        version=__version__, budget=evaluation.budget.name, n=plan.candidate.stop,
        n_reference=plan.reference.stop, effective_n=sizes[0], effective_n_reference=sizes[1],
        n_pairs=len(plan.pairs), pair_size=plan.pair_size, level=level and level.value,
        beams=evaluation.beams.name, candidate=_origin(evaluation.candidate, candidate_name),
        reference=_origin(evaluation.reference, reference_name),
        acceptance=None if evaluation.acceptance is None else evaluation.acceptance.name,
    )  # fmt: skip


def _origin(run: RunInfo, name: str) -> dict[str, Any]:
    known = run.model_dump(mode="json", include={"generator", "generator_version", "seed", "process", "cuts"})
    return {"name": name, **known}


def _classifier(evaluation: Evaluation) -> ClassifierRecord:
    losses = evaluation.classifier.importance
    ranked = tuple(
        ImportanceRecord(observable=OBSERVABLES[k].key, loss_of_area=float(losses[k])) for k in np.argsort(-losses)
    )
    return ClassifierRecord(area=ScoreRecord.of(evaluation.classifier.score), importance=ranked)


def _distance(m: Measurement) -> WassersteinRecord:
    return WassersteinRecord(species=m.species, quantity=m.quantity, unit=m.unit, description=m.description,
                             score=ScoreRecord.of(m.score) if m.score else None)  # fmt: skip


def _multiplicity(m: Multiplicity) -> MultiplicityRecord:
    (a, error_a), (b, error_b) = m.candidate, m.reference
    return MultiplicityRecord(
        species=m.species, candidate=a, candidate_error=error_a, reference=b, reference_error=error_b,
        relative_difference=a / b - 1 if b else None, score=ScoreRecord.of(m.score) if m.score else None,
    )  # fmt: skip
