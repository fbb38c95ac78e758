"""What the card of a model of muons and jets keeps of a report's `metrics.json`."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cloudchamber.evaluate.zjets.document import JetsRecord, ZJetsDocument

__all__ = ["read_zjets", "zjets_summary"]


def read_zjets(metrics: Path) -> ZJetsDocument | None:
    """The document of an evaluation of muons and jets; None if a file is something else.

    Args:
        metrics: path of the file.
    """
    try:
        return ZJetsDocument.model_validate_json(metrics.read_bytes())
    except (OSError, ValidationError):
        return None


def zjets_summary(document: ZJetsDocument) -> dict[str, Any]:
    """Every number with its floor and its sample size; `classifier_auc` is the worst of all numbers of jets.

    Args:
        document: of an evaluation.
    """
    worst = max(document.jets, key=lambda one: one.auc.value)
    samples = {"candidate": document.candidate, "reference": document.reference}
    return {
        "sample": {role: {**origin, "name": Path(origin["name"]).name} for role, origin in samples.items()},
        "verdict": document.sentence,
        "classifier_auc": _auc(worst),
        "jets": {str(one.jets): _brief(one) for one in document.jets},
    }


def _auc(one: JetsRecord) -> dict[str, Any]:
    score = one.auc
    return {
        "value": _digits(score.value),
        "error": _digits(score.error),
        "floor": _digits(score.floor),
        "jets": one.jets,
    }


def _brief(one: JetsRecord) -> dict[str, Any]:
    excess = {s.quantity: s.worst for s in one.spectra if s.worst is not None}
    worst = max(excess, key=lambda key: excess[key].excess, default=None)
    return {
        "events": one.n,
        "reference_events": one.n_reference,
        "classifier_auc": _auc(one),
        "Z_peak_GeV": None if one.peak is None else _digits(one.peak.place),
        "reference_Z_peak_GeV": None if one.reference_peak is None else _digits(one.reference_peak.place),
        "Z_width_GeV": None if one.peak is None else _digits(one.peak.width),
        "reference_Z_width_GeV": None if one.reference_peak is None else _digits(one.reference_peak.width),
        "share_below_R_0.4": _digits(one.close),
        "bins_within_2_percent": [sum(s.within for s in one.spectra), sum(s.bins for s in one.spectra)],
        "worst_bin": None if worst is None else {"quantity": worst, **_bin(excess[worst])},
    }


def _bin(worst: Any) -> dict[str, float | None]:  # noqa: ANN401
    return {name: _digits(getattr(worst, name)) for name in ("low", "high", "deviation", "error")}


def _digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
