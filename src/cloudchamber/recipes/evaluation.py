"""`evaluate` with files: read two samples, compare them, write the report."""

from dataclasses import dataclass
from pathlib import Path

from cloudchamber.errors import InputError
from cloudchamber.evaluate import Evaluation, evaluate
from cloudchamber.evaluate.budget import FEWEST_EVENTS, Budget
from cloudchamber.evaluate.document import to_document
from cloudchamber.evaluate.evaluation import comparable_beams
from cloudchamber.evaluate.figures.comparison import Comparison
from cloudchamber.evaluate.figures.gallery import DRAWINGS, Drawn, draw_all
from cloudchamber.evaluate.progress import Progress, part, silent
from cloudchamber.evaluate.report import report_page
from cloudchamber.formats import files
from cloudchamber.formats.atomic import atomic_path, explain_os_error

__all__ = ["Report", "evaluate_files"]


@dataclass(frozen=True)
class Report:
    """What was measured and where it was written.

    Attributes:
        evaluation: the numbers.
        folder: holds metrics.json, index.html and figures/.
    """

    evaluation: Evaluation
    folder: Path


def evaluate_files(
    candidate: Path,
    reference: Path,
    folder: Path,
    *,
    budget: str = "standard",
    events: int | None = None,
    training: Path | None = None,
    progress: Progress = silent,
) -> Report:
    """Compare a file of events with a reference and write a report.

    Args:
        candidate: file of events, or folder of shards.
        reference: file of events, or folder of shards.
        folder: where to write; made where it does not exist, but not its parent.
        budget: quick, standard or full.
        events: use at most this many events of the candidate.
        training: events that the candidate may have been learned from, for the test of memorisation.
        progress: told of every step.

    Raises:
        InputError: if a file cannot be read, the samples cannot be compared, or the folder cannot be written.
    """
    allowed = Budget.named(budget)
    if events is not None and events < FEWEST_EVENTS:
        raise InputError(f"--events {events} is too few; evaluate needs at least {FEWEST_EVENTS}.")
    for file in (candidate, *([training] if training else [])):
        comparable_beams(files.read_run(file), files.read_run(reference))
    _make_folder(folder)
    progress("reading", 0.0)
    judged = files.read(candidate, _fewest(events, allowed.events)).final_state()
    truth = files.read(reference, allowed.reference_events(len(judged))).final_state()
    known = files.read(training, allowed.training_events).final_state() if training else None
    evaluation = evaluate(judged, truth, allowed, part(progress, 0.02, 0.75), known)
    document = to_document(evaluation, str(candidate), str(reference))
    with atomic_path(folder / "metrics.json") as path:
        path.write_text(document.model_dump_json(indent=2), encoding="utf-8")
    figures = _draw(Comparison.of(evaluation, judged, truth), folder, part(progress, 0.75, 1.0))
    with atomic_path(folder / "index.html") as path:
        path.write_text(report_page(document, figures), encoding="utf-8")
    progress("done", 1.0)
    return Report(evaluation, folder)


def _draw(comparison: Comparison, folder: Path, progress: Progress) -> list[Drawn]:
    drawn: list[Drawn] = []
    try:
        for figure in draw_all(comparison, folder / "figures"):
            drawn.append(figure)
            progress("figures", len(drawn) / len(DRAWINGS))
    except OSError as error:
        raise explain_os_error(error, folder / "figures") from error
    return drawn


def _fewest(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
        (folder / "figures").mkdir(exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, folder) from error
