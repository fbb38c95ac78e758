"""`metrics.json`: the numbers of an evaluation in a versioned schema, as strict JSON.

Every score has value, error, floor, floor_spread, ratio, p_value, n, n_pairs, pair_size and floor_scale. What
could not be measured is null, never NaN. `metrics` is the table of everything that is not measured species by species
or observable by observable. `metrics_schema()` is the JSON schema; it is also shipped as `metrics.schema.json` beside
this module, and `python -m cloudchamber.evaluate.document` prints it.

Where the candidate is a member of an ensemble, `ensemble` holds the spectra with the uncertainty of the model, and how
many of their bins it covers; else it is null.

Version 2 adds `metrics`, `verdict.tests`, and the distributions of the classifiers' density ratios to version 1.
"""

import json
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from cloudchamber.evaluate.bands import Band, coverage
from cloudchamber.evaluate.evaluation import Evaluation, Measurement, Multiplicity
from cloudchamber.evaluate.multivariate import Metric
from cloudchamber.evaluate.observables import OBSERVABLES
from cloudchamber.evaluate.roc import LEVELS, WEIGHT_EDGES, WeightDistribution
from cloudchamber.evaluate.score import Score
from cloudchamber.evaluate.verdict import Verdict
from cloudchamber.events import RunInfo

__all__ = ["SCHEMA_VERSION", "MetricRecord", "MetricsDocument", "ScoreRecord", "metrics_schema", "to_document"]

SCHEMA_VERSION: Literal[2] = 2


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


class MetricRecord(ScoreRecord):
    """One row of the table of metrics: a score with its name."""

    name: str
    group: str
    unit: str
    description: str
    sizes: str

    @classmethod
    def of_metric(cls, metric: Metric) -> "MetricRecord":
        """The row of a metric.

        Args:
            metric: the metric.
        """
        return cls(name=metric.name, group=metric.group, unit=metric.unit, description=metric.description,
                   sizes=metric.sizes, **ScoreRecord.of(metric.score).model_dump())  # fmt: skip


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


class WeightsRecord(_Record):
    """Distribution of a classifier's density ratios reference / candidate in both samples; see `evaluate.roc`.

    `edges` are of log10 of the ratio; the outermost bins of the histograms hold everything beyond them.
    """

    levels: tuple[float, ...]
    candidate_quantiles: tuple[float, ...]
    reference_quantiles: tuple[float, ...]
    edges: tuple[float, ...]
    candidate_histogram: tuple[float, ...]
    reference_histogram: tuple[float, ...]

    @classmethod
    def of(cls, weights: WeightDistribution) -> "WeightsRecord":
        """The record of a distribution.

        Args:
            weights: the distribution.
        """
        parts = {name: tuple(values.tolist()) for name, values in weights._asdict().items()}
        return cls(levels=LEVELS, edges=tuple(WEIGHT_EDGES.round(3).tolist()), **parts)


class ClassifierRecord(_Record):
    """The boosted trees on event observables, and the density ratios of both classifiers."""

    area: ScoreRecord
    importance: tuple[ImportanceRecord, ...]
    weights: WeightsRecord
    cloud_weights: WeightsRecord | None


class TestRecord(_Record):
    """One test of the verdict, with its p-value before and after the correction for the number of tests."""

    name: str
    p_value: float
    corrected_p_value: float
    rejected: bool
    reason: str


class VerdictRecord(_Record):
    """The conclusion."""

    indistinguishable: bool | None
    p_value: float | None
    sentence: str
    reasons: tuple[str, ...]
    tests: tuple[TestRecord, ...]


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


class BandRecord(_Record):
    """One spectrum per event and unit of its axis; `species` is null for event observables.

    The statistical errors of candidate and reference and the uncertainty of the model are standard deviations.
    """

    species: str | None
    quantity: str
    edges: tuple[float, ...]
    candidate: tuple[float, ...]
    candidate_error: tuple[float, ...]
    model_error: tuple[float, ...]
    reference: tuple[float, ...]
    reference_error: tuple[float, ...]

    @classmethod
    def of(cls, band: Band) -> "BandRecord":
        """The record of a spectrum.

        Args:
            band: the spectrum, with the uncertainty of the model.
        """
        a, b = band.candidate, band.reference
        assert a.model is not None
        columns = {"edges": a.edges, "candidate": a.density, "candidate_error": a.error, "model_error": a.model,
                   "reference": b.density, "reference_error": b.error}  # fmt: skip
        rounded = {name: tuple(float(f"{v:.6g}") for v in values) for name, values in columns.items()}
        return cls(species=band.species, quantity=band.quantity, **rounded)


class EnsembleRecord(_Record):
    """Spectra with the uncertainty of the model, and the share of their bins that one standard deviation covers.

    The error that members share is part of the uncertainty where their training sample was given.
    """

    members: int
    training_sample: bool = False
    bins: int
    covered_by_statistics: float
    covered: float
    bands: tuple[BandRecord, ...]

    @classmethod
    def of(cls, bands: Sequence[Band], members: int, *, trained: bool = False) -> "EnsembleRecord":
        """The record of an ensemble.

        Args:
            bands: its spectra.
            members: how many models there are, the candidate's among them.
            trained: whether their training sample was given.
        """
        found = coverage(tuple(bands))
        return cls(members=members, training_sample=trained, bins=found.bins, covered_by_statistics=found.statistics,
                   covered=found.total, bands=tuple(map(BandRecord.of, bands)))  # fmt: skip


class MetricsDocument(_Record):
    """Everything in `metrics.json`."""

    schema_name: Literal["cloudchamber.metrics"] = "cloudchamber.metrics"
    schema_version: Literal[2] = SCHEMA_VERSION
    settings: SettingsRecord
    verdict: VerdictRecord
    classifier: ClassifierRecord
    particles: tuple[WassersteinRecord, ...]
    events: tuple[WassersteinRecord, ...]
    multiplicities: tuple[MultiplicityRecord, ...]
    conservation: tuple[ConservationRecord, ...]
    metrics: tuple[MetricRecord, ...]
    ensemble: EnsembleRecord | None = None


def metrics_schema() -> dict[str, Any]:
    """The JSON schema of `metrics.json`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **MetricsDocument.model_json_schema()}


def to_document(evaluation: Evaluation, candidate_name: str, reference_name: str) -> MetricsDocument:
    """The document of an evaluation.

    Args:
        evaluation: its result.
        candidate_name: what to call the candidate.
        reference_name: what to call the reference.
    """
    return MetricsDocument(
        settings=_settings(evaluation, candidate_name, reference_name),
        verdict=_verdict(evaluation.verdict),
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
        metrics=tuple(map(MetricRecord.of_metric, evaluation.metrics)),
    )  # fmt: skip


def _verdict(verdict: Verdict) -> VerdictRecord:
    tests = tuple(
        TestRecord(name=t.name, p_value=t.p_value, corrected_p_value=t.corrected, rejected=t.rejected, reason=t.reason)
        for t in verdict.tests
    )
    return VerdictRecord(indistinguishable=verdict.indistinguishable, p_value=verdict.p_value,
                         sentence=verdict.sentence, reasons=verdict.reasons, tests=tests)  # fmt: skip


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
    return ClassifierRecord(
        area=ScoreRecord.of(evaluation.classifier.score), importance=ranked,
        weights=WeightsRecord.of(evaluation.classifier.weights),
        cloud_weights=WeightsRecord.of(evaluation.cloud_weights) if evaluation.cloud_weights else None,
    )  # fmt: skip


def _distance(m: Measurement) -> WassersteinRecord:
    return WassersteinRecord(species=m.species, quantity=m.quantity, unit=m.unit, description=m.description,
                             score=ScoreRecord.of(m.score) if m.score else None)  # fmt: skip


def _multiplicity(m: Multiplicity) -> MultiplicityRecord:
    (a, error_a), (b, error_b) = m.candidate, m.reference
    return MultiplicityRecord(
        species=m.species, candidate=a, candidate_error=error_a, reference=b, reference_error=error_b,
        relative_difference=a / b - 1 if b else None, score=ScoreRecord.of(m.score) if m.score else None,
    )  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(metrics_schema(), indent=2))  # noqa: T201
