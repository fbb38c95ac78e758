"""`metrics.json` of muons and jets: the numbers of `evaluation` as strict JSON; what could not be measured is null."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from cloudchamber.evaluate.document import EnsembleRecord, ScoreRecord
from cloudchamber.evaluate.zjets.evaluation import Bin, JetNumbers, Spectrum, ZJetsEvaluation
from cloudchamber.evaluate.zjets.peak import Peak
from cloudchamber.events import RunInfo

__all__ = ["ZJetsDocument", "zjets_document"]

ZJETS_SCHEMA_VERSION: Literal[1] = 1


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BinRecord(_Record):
    """The worst bin of a spectrum; see `evaluation.Bin`."""

    low: float
    high: float
    deviation: float
    error: float
    excess: float

    @classmethod
    def of(cls, worst: Bin | None) -> "BinRecord | None":
        """The record of a bin.

        Args:
            worst: the bin, if there is one.
        """
        return None if worst is None else cls(**vars(worst))


class SpectrumRecord(_Record):
    """One spectrum: its Wasserstein distance, and how many of its bins are within 2 %."""

    quantity: str
    unit: str
    score: ScoreRecord | None
    bins: int
    within: int
    worst: BinRecord | None
    excess_floor: float | None


class PeakRecord(_Record):
    """The Z peak in GeV."""

    place: float
    place_error: float
    width: float
    width_error: float


class JetsRecord(_Record):
    """All numbers of one number of jets; `close` is the share of events with jets within Delta R = 0.4."""

    jets: int
    n: int
    n_reference: int
    n_pairs: int
    pair_size: int
    fewest_in_bin: int
    auc: ScoreRecord
    peak: PeakRecord | None
    reference_peak: PeakRecord | None
    close: float
    reference_close: float
    turn_on: BinRecord | None
    spectra: tuple[SpectrumRecord, ...]


class ZJetsDocument(_Record):
    """The whole document."""

    schema_version: Literal[1] = ZJETS_SCHEMA_VERSION
    kind: Literal["zjets"] = "zjets"
    version: str
    budget: str
    candidate: dict[str, Any]
    reference: dict[str, Any]
    indistinguishable: bool | None
    p_value: float | None
    sentence: str
    reasons: tuple[str, ...]
    shares: tuple[float, ...]
    reference_shares: tuple[float, ...]
    faulty: float
    jets: tuple[JetsRecord, ...]
    ensemble: EnsembleRecord | None = None


def zjets_document(
    evaluation: ZJetsEvaluation, candidate_name: str, reference_name: str, ensemble: EnsembleRecord | None = None
) -> ZJetsDocument:
    """The document of an evaluation.

    Args:
        evaluation: its result.
        candidate_name: what to call the candidate.
        reference_name: what to call the reference.
        ensemble: spectra with the uncertainty of the model; None without other members.
    """
    from cloudchamber import __version__

    verdict = evaluation.verdict
    return ZJetsDocument(
        version=__version__, budget=evaluation.budget.name, candidate=_origin(evaluation.candidate, candidate_name),
        reference=_origin(evaluation.reference, reference_name), indistinguishable=verdict.indistinguishable,
        p_value=verdict.p_value, sentence=verdict.sentence, reasons=verdict.reasons, shares=evaluation.shares[0],
        reference_shares=evaluation.shares[1], faulty=evaluation.faulty, jets=tuple(map(_jets, evaluation.numbers)),
        ensemble=ensemble,
    )  # fmt: skip


def _origin(run: RunInfo, name: str) -> dict[str, Any]:
    return {"name": name, **run.model_dump(mode="json", include={"generator", "generator_version", "seed", "process"})}


def _jets(one: JetNumbers) -> JetsRecord:
    return JetsRecord(
        jets=one.jets, n=one.plan.candidate.stop, n_reference=one.plan.reference.stop, n_pairs=len(one.plan.pairs),
        pair_size=one.plan.pair_size, fewest_in_bin=one.fewest, auc=ScoreRecord.of(one.classifier.score),
        peak=_peak(one.peaks[0]), reference_peak=_peak(one.peaks[1]), close=one.close[0], reference_close=one.close[1],
        turn_on=BinRecord.of(one.turn_on), spectra=tuple(map(_spectrum, one.spectra)),
    )  # fmt: skip


def _peak(peak: Peak | None) -> PeakRecord | None:
    return None if peak is None else PeakRecord(**peak._asdict())


def _spectrum(one: Spectrum) -> SpectrumRecord:
    score = None if one.score is None else ScoreRecord.of(one.score)
    return SpectrumRecord(
        quantity=one.quantity.key, unit=one.quantity.unit, score=score, bins=one.bins, within=one.within,
        worst=BinRecord.of(one.worst), excess_floor=one.excess_floor,
    )  # fmt: skip
