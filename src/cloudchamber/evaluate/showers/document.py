"""`metrics.json` of showers: the numbers of an evaluation in a versioned schema, as strict JSON.

Scores are those of the documents of events (`cloudchamber.evaluate.document`). `separations` are the separation powers
of all histograms, `response` holds response and resolution in bins of the incident energy, and `metrics` everything
else. What could not be measured is null, never NaN.
"""

from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from cloudchamber.evaluate.document import ImportanceRecord, MetricRecord, ScoreRecord, VerdictRecord, origin
from cloudchamber.evaluate.showers.evaluation import Separation, ShowerEvaluation
from cloudchamber.evaluate.showers.observables import quantities
from cloudchamber.evaluate.showers.response import Responses

__all__ = ["ResponseRecord", "SeparationRecord", "ShowerDocument", "shower_document"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SeparationRecord(ScoreRecord):
    """Separation power of one histogram."""

    name: str
    group: str
    unit: str
    description: str

    @classmethod
    def of_separation(cls, one: Separation) -> "SeparationRecord":
        """The record of a separation power.

        Args:
            one: the separation power.
        """
        kind = one.kind
        return cls(name=kind.key, group=kind.group, unit=kind.unit, description=kind.description,
                   **ScoreRecord.of(one.score).model_dump())  # fmt: skip


class ResponseRecord(_Record):
    """Mean response and resolution in one bin of the incident energy (MeV), and candidate over reference less one."""

    low: float
    high: float
    candidate_mean: float | None
    candidate_mean_error: float | None
    reference_mean: float | None
    reference_mean_error: float | None
    mean_difference: float | None
    mean_difference_error: float | None
    candidate_resolution: float | None
    candidate_resolution_error: float | None
    reference_resolution: float | None
    reference_resolution_error: float | None
    resolution_difference: float | None
    resolution_difference_error: float | None

    @classmethod
    def of_bin(cls, found: Responses, k: int) -> "ResponseRecord":
        """The record of a bin.

        Args:
            found: response and resolution of both samples.
            k: number of the bin.
        """
        columns: dict[str, Any] = {"low": found.edges, "high": found.edges[1:]}
        for name in ("candidate", "reference"):
            for field, values in getattr(found, name)._asdict().items():
                columns[f"{name}_{field}"] = values
        for quantity in ("mean", "resolution"):
            for suffix in ("difference", "difference_error"):
                columns[f"{quantity}_{suffix}"] = getattr(found, f"{quantity}_{suffix}")
        numbers = {name: float(values[k]) for name, values in columns.items()}
        return cls.model_validate({name: value if np.isfinite(value) else None for name, value in numbers.items()})


class SettingsRecord(_Record):
    """What was compared with what."""

    version: str
    budget: str
    n: int
    n_reference: int
    n_pairs: int
    pair_size: int
    calorimeter: str
    layers: int
    cells: int
    threshold: float
    """MeV"""
    energies_agree: bool
    candidate: dict[str, Any]
    reference: dict[str, Any]


class ShowerDocument(_Record):
    """Everything in `metrics.json`."""

    schema_name: Literal["cloudchamber.shower-metrics"] = "cloudchamber.shower-metrics"
    schema_version: Literal[1] = 1
    settings: SettingsRecord
    verdict: VerdictRecord
    metrics: tuple[MetricRecord, ...]
    separations: tuple[SeparationRecord, ...]
    response: tuple[ResponseRecord, ...]
    importance: tuple[ImportanceRecord, ...]


def shower_document(evaluation: ShowerEvaluation, candidate_name: str, reference_name: str) -> ShowerDocument:
    """The document of an evaluation.

    Args:
        evaluation: its result.
        candidate_name: what to call the candidate.
        reference_name: what to call the reference.
    """
    keys, losses = [q.key for q in quantities(len(evaluation.geometry.layers))], evaluation.classifier.importance
    found = evaluation.responses
    return ShowerDocument(
        settings=_settings(evaluation, candidate_name, reference_name),
        verdict=VerdictRecord.of(evaluation.verdict),
        metrics=tuple(map(MetricRecord.of_metric, evaluation.metrics)),
        separations=tuple(map(SeparationRecord.of_separation, evaluation.separations)),
        response=tuple(ResponseRecord.of_bin(found, k) for k in range(len(found.edges) - 1)),
        importance=tuple(
            ImportanceRecord(observable=keys[k], loss_of_area=float(losses[k])) for k in np.argsort(-losses)
        ),
    )  # fmt: skip


def _settings(evaluation: ShowerEvaluation, candidate_name: str, reference_name: str) -> SettingsRecord:
    from cloudchamber import __version__

    plan, geometry = evaluation.plan, evaluation.geometry
    return SettingsRecord(
        version=__version__, budget=evaluation.budget.tables.name, n=plan.candidate.stop,
        n_reference=plan.reference.stop, n_pairs=len(plan.pairs), pair_size=plan.pair_size,
        calorimeter=geometry.name, layers=len(geometry.layers),
        cells=geometry.cells, threshold=geometry.threshold, energies_agree=evaluation.energies_agree,
        candidate=origin(evaluation.candidate, candidate_name), reference=origin(evaluation.reference, reference_name),
    )  # fmt: skip
