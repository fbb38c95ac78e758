"""`evaluate` with files of showers: read two samples, compare them, write the report."""

from dataclasses import dataclass
from pathlib import Path

from cloudchamber.errors import InputError
from cloudchamber.evaluate.budget import FEWEST_EVENTS
from cloudchamber.evaluate.progress import Progress, part, silent
from cloudchamber.evaluate.showers.budget import ShowerBudget
from cloudchamber.evaluate.showers.document import ShowerDocument, shower_document
from cloudchamber.evaluate.showers.evaluation import evaluate_showers
from cloudchamber.evaluate.showers.figures.comparison import ShowerComparison
from cloudchamber.evaluate.showers.figures.gallery import draw_showers
from cloudchamber.evaluate.showers.report import shower_page
from cloudchamber.formats import showers as files
from cloudchamber.formats.atomic import atomic_path, explain_os_error

__all__ = ["ShowerReport", "evaluate_shower_files"]


@dataclass(frozen=True)
class ShowerReport:
    """What was measured and where it was written.

    Attributes:
        document: the numbers.
        folder: holds metrics.json, index.html and figures/.
    """

    document: ShowerDocument
    folder: Path


def evaluate_shower_files(
    candidate: Path,
    reference: Path,
    folder: Path,
    *,
    budget: str = "standard",
    showers: int | None = None,
    binning: Path | None = None,
    training: Path | None = None,
    progress: Progress = silent,
) -> ShowerReport:
    """Compare a file of showers with a reference and write a report.

    Args:
        candidate: file of showers, or folder of them.
        reference: file of showers, or folder of them.
        folder: where to write; made where it does not exist.
        budget: quick, standard or full.
        showers: judge this many of the candidate, if it has them, instead of the budget's number.
        binning: the CaloChallenge's binning file, where the files do not tell their geometry.
        training: showers that the candidate may have been learned from, for the test of memorisation.
        progress: told of every step.

    Raises:
        InputError: if a file cannot be read, the samples cannot be compared, or the folder cannot be written.
    """
    allowed = ShowerBudget.named(budget)
    if showers is not None:
        if showers < FEWEST_EVENTS:
            raise InputError(f"--events {showers} is too few; evaluate needs at least {FEWEST_EVENTS}.")
        allowed = allowed.judging(showers)
    progress("reading", 0.0)
    sizes = allowed.tables
    judged = files.read(candidate, sizes.events, binning)
    truth = files.read(reference, sizes.reference_events(len(judged)), binning)
    known = None if training is None else files.read(training, sizes.training_events, binning)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "figures").mkdir(exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, folder) from error
    evaluation = evaluate_showers(judged, truth, allowed, part(progress, 0.05, 0.85), known)
    document = shower_document(evaluation, str(candidate), str(reference))
    with atomic_path(folder / "metrics.json") as path:
        path.write_text(document.model_dump_json(indent=2), encoding="utf-8")
    progress("figures", 0.85)
    comparison = ShowerComparison(judged, truth, evaluation)
    try:
        figures = list(draw_showers(comparison, folder / "figures"))
    except OSError as error:
        raise explain_os_error(error, folder / "figures") from error
    with atomic_path(folder / "index.html") as path:
        path.write_text(shower_page(document, figures), encoding="utf-8")
    progress("done", 1.0)
    return ShowerReport(document, folder)
