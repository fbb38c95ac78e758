"""From a training run to a model that can be shipped: two files, with what was measured of it."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cloudchamber.errors import InputError
from cloudchamber.evaluate.compare import Document
from cloudchamber.evaluate.document import ScoreRecord
from cloudchamber.evaluate.showers.document import ShowerDocument
from cloudchamber.recipes.comparison import read_metrics
from cloudchamber.recipes.config import Preset
from cloudchamber.recipes.store import Card, load_run, load_stored, save_model
from cloudchamber.recipes.zjets_summary import read_zjets, zjets_summary

__all__ = ["pack", "summary"]

_SPECIES = ("e'", "pi+", "pi-", "K+", "K-", "gamma", "p", "n", "K0S", "K0L", "neutrinos")
_QUANTITIES = ("pT", "eta", "phi", "dphi")


def pack(
    run: Path,
    out: Path,
    *,
    metrics: Path | None = None,
    snapshot: str | None = None,
    name: str | None = None,
    about: str | None = None,
) -> Path:
    """Write the averaged weights of a run as a model.

    Args:
        run: folder of a training run, or a model's weights, to give it another card.
        out: the `.safetensors` file to make; its card stands beside it.
        metrics: `metrics.json` of an evaluation, whose summary goes into the card.
        snapshot: name of a snapshot in the run instead of its last checkpoint.
        name: of the model, which generated files tell; the preset's by default.
        about: one line on it; the preset's by default.

    Returns:
        The card's path.

    Raises:
        InputError: if the run or the metrics cannot be read, or the name is none that a preset may have.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"--out '{out}' must end in .safetensors; the card is written beside it as .json.")
    trained = load_stored(str(run)) if snapshot is None else load_run(run, snapshot)
    card = trained.card
    if metrics is not None:
        card = card.model_copy(update={"metrics": summary(metrics)})
    save_model(out, trained.model, trained.representation, _renamed(card, name, about))
    return out.with_suffix(".json")


def _renamed(card: Card, name: str | None, about: str | None) -> Card:
    told = {key: value for key, value in (("name", name), ("description", about)) if value is not None}
    try:
        preset = Preset.model_validate(card.preset.model_dump() | told)
    except ValidationError:
        raise InputError(
            f"--name '{name}' cannot name a model; use small letters, digits, dots and hyphens, as in ep-dis-10x275."
        ) from None
    return card.model_copy(update={"preset": preset})


def summary(metrics: Path) -> dict[str, Any]:
    """What a card keeps of a report's `metrics.json`: every number with its floor and its sample size.

    Args:
        metrics: path of the file.

    Raises:
        InputError: if it is not a report's.
    """
    if (of_jets := read_zjets(metrics)) is not None:
        return zjets_summary(of_jets)
    document = read_metrics(metrics)
    if isinstance(document, ShowerDocument):
        return _of_showers(document)
    return {
        **_compared(document),
        "classifier_auc": _brief(document.classifier.area),
        "tests": {m.name: _brief(m) for m in document.metrics if not m.name.startswith("w1p")},
        "wasserstein": {
            f"{m.species} {m.quantity} [{m.unit}]": _brief(m.score)
            for m in document.particles
            if m.score is not None and m.species in _SPECIES and m.quantity in _QUANTITIES
        },
        "multiplicity": {
            m.species: {
                "generated": _digits(m.candidate),
                "reference": _digits(m.reference),
                "relative_difference": _digits(m.relative_difference),
                "relative_error": _digits(m.candidate_error / m.reference) if m.reference else None,
            }
            for m in document.multiplicities
        },
        "conservation_largest_residual": {c.law: _digits(c.candidate_max) for c in document.conservation},
    }


def _compared(document: Document) -> dict[str, Any]:
    """What was compared, and the verdict."""
    settings = document.settings
    return {
        "sample": {
            "candidate": _origin(settings.candidate),
            "reference": _origin(settings.reference),
            "events": settings.n,
            "reference_events": settings.n_reference,
            "floor_pairs": settings.n_pairs,
            "floor_pair_events": settings.pair_size,
        },
        "verdict": document.verdict.sentence,
    }


def _of_showers(document: ShowerDocument) -> dict[str, Any]:
    """The same of showers, with the largest separation power and the largest differences of the response."""
    tests = {m.name: _brief(m) for m in document.metrics}
    worst = max(document.separations, key=lambda one: one.value)
    return {
        **_compared(document),
        "classifier_auc": tests["AUC, observables"],
        "tests": tests,
        "largest_separation_power": {"histogram": worst.name, **_brief(worst)},
        "incident_energies_agree": document.settings.energies_agree,
    }


def _origin(sample: dict[str, Any]) -> dict[str, Any]:
    """What a sample is, without the folder in which it happened to lie."""
    return {**sample, "name": Path(sample["name"]).name}


def _brief(score: ScoreRecord) -> dict[str, float | None]:
    names = ("value", "error", "floor", "ratio")
    return {name: _digits(getattr(score, name)) for name in names}


def _digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
