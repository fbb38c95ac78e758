"""`evaluate` of muons and jets with files: read two samples, compare them, write the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloudchamber.errors import InputError
from cloudchamber.evaluate.budget import FEWEST_EVENTS, Budget
from cloudchamber.evaluate.document import EnsembleRecord
from cloudchamber.evaluate.progress import Progress, part, silent
from cloudchamber.evaluate.zjets.bands import jet_bands
from cloudchamber.evaluate.zjets.document import ZJetsDocument, zjets_document
from cloudchamber.evaluate.zjets.evaluation import evaluate_zjets
from cloudchamber.evaluate.zjets.report import draw_zjets, zjets_page
from cloudchamber.formats import files
from cloudchamber.formats.atomic import atomic_path, explain_os_error
from cloudchamber.recipes.ensemble import members_of
from cloudchamber.represent.vector import values_of

__all__ = ["ZJetsReport", "evaluate_zjets_files", "holds_zjets"]

_MULTIPLICITIES = 10
"""Events are read so many times the number that is judged, since few have many jets."""


@dataclass(frozen=True)
class ZJetsReport:
    """What was measured and where it was written.

    Attributes:
        document: the numbers.
        folder: holds metrics.json, index.html and figures/.
    """

    document: ZJetsDocument
    folder: Path


def holds_zjets(path: Path) -> bool:
    """Whether events were made by two protons.

    Args:
        path: file of events, or folder of shards.
    """
    return files.read_run(path).protons is not None


def evaluate_zjets_files(
    candidate: Path, reference: Path, folder: Path, *, budget: str = "standard", events: int | None = None,
    training: Path | None = None, ensemble: Sequence[Path] = (), progress: Progress = silent,
) -> ZJetsReport:  # fmt: skip
    """Compare a file of muons and jets with a reference and write a report.

    Args:
        candidate: file of events, or folder of shards.
        reference: file of events, or folder of shards.
        folder: where to write; made where it does not exist.
        budget: quick, standard or full; its events are those of each number of jets.
        events: judge this many events of each number of jets instead.
        training: events that the ensemble was trained on, for the error that its members share.
        ensemble: events of the other members of the candidate's ensemble: files, or one folder of them.
        progress: told of every step.

    Raises:
        InputError: if a file cannot be read, the samples cannot be compared, or the folder cannot be written.
    """
    allowed = Budget.named(budget)
    if events is not None:
        if events < FEWEST_EVENTS:
            raise InputError(f"--events {events} is too few; evaluate needs at least {FEWEST_EVENTS}.")
        allowed = allowed.judging(events)
    if training is not None and not ensemble:
        raise InputError("--training is for the band of an ensemble of muons and jets; add --ensemble or leave it out.")
    others = members_of(ensemble, candidate)
    for path, other in ((candidate, reference), (reference, candidate), *((one, candidate) for one in others)):
        if not holds_zjets(path):
            raise InputError(f"'{other}' holds events of two protons and '{path}' does not; give samples of one kind.")
    progress("reading", 0.0)
    most = None if allowed.events is None else _MULTIPLICITIES * allowed.events
    judged = files.read(candidate, most)
    truth = files.read(reference, None if most is None else (2 * allowed.pairs + 1) * most)
    members = [files.read(member, most) for member in others]
    known = None if training is None else files.read(training, None if most is None else 10 * most)
    for sample in (judged, truth, *members, *(() if known is None else (known,))):
        values_of(sample)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "figures").mkdir(exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, folder) from error
    evaluation = evaluate_zjets(judged, truth, allowed, part(progress, 0.05, 0.85))
    bands = jet_bands(evaluation.numbers, members, known) if members else ()
    found = EnsembleRecord.of(bands, len(members) + 1, trained=known is not None) if members else None
    document = zjets_document(evaluation, str(candidate), str(reference), found)
    with atomic_path(folder / "metrics.json") as path:
        path.write_text(document.model_dump_json(indent=2), encoding="utf-8")
    progress("figures", 0.85)
    try:
        pictures = draw_zjets(evaluation, folder / "figures", bands)
    except OSError as error:
        raise explain_os_error(error, folder / "figures") from error
    with atomic_path(folder / "index.html") as path:
        path.write_text(zjets_page(document, pictures), encoding="utf-8")
    progress("done", 1.0)
    return ZJetsReport(document, folder)
