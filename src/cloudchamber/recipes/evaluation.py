"""`evaluate` with files: read two samples, compare them, write the report."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from cloudchamber.errors import InputError
from cloudchamber.evaluate import Evaluation, evaluate
from cloudchamber.evaluate.bands import bands
from cloudchamber.evaluate.budget import FEWEST_EVENTS, Budget
from cloudchamber.evaluate.displays import choose_displays
from cloudchamber.evaluate.document import EnsembleRecord, to_document
from cloudchamber.evaluate.evaluation import comparable_beams
from cloudchamber.evaluate.figures.comparison import Comparison
from cloudchamber.evaluate.figures.gallery import DRAWINGS, Drawn, draw, drawn
from cloudchamber.evaluate.progress import Progress, part, silent
from cloudchamber.evaluate.report import report_page
from cloudchamber.formats import files
from cloudchamber.formats.atomic import atomic_path, explain_os_error
from cloudchamber.physics.acceptance import Acceptance
from cloudchamber.recipes.ensemble import members_of
from cloudchamber.recipes.workers import Advance, Helpers, available_cores, behind

__all__ = ["Report", "evaluate_files"]


@dataclass(frozen=True)
class Report:
    """What was measured and where it was written.

    Attributes:
        evaluation: the numbers.
        folder: holds metrics.json, index.html and figures/.
        ensemble: spectra with the uncertainty of the model; None where no other members were given.
    """

    evaluation: Evaluation
    folder: Path
    ensemble: EnsembleRecord | None = None


def evaluate_files(
    candidate: Path,
    reference: Path,
    folder: Path,
    *,
    budget: str = "standard",
    events: int | None = None,
    accept: str | None = None,
    workers: int | None = None,
    training: Path | None = None,
    ensemble: Sequence[Path] = (),
    progress: Progress = silent,
) -> Report:
    """Compare a file of events with a reference and write a report.

    Args:
        candidate: file of events, or folder of shards.
        reference: file of events, or folder of shards.
        folder: where to write; made where it does not exist.
        budget: quick, standard or full.
        events: judge this many events of the candidate, if it has them, instead of the budget's number.
        accept: name of a selection of particles; all by default.
        workers: processes that draw figures; by default one for each core, at most 4.
        training: events that the candidate may have been learned from, for the test of memorisation, and for the
            error that the members of an ensemble share.
        ensemble: events of the other members of the candidate's ensemble: files, or one folder of them.
        progress: told of every step.

    Raises:
        InputError: if a file cannot be read, the samples cannot be compared, or the folder cannot be written.
    """
    allowed, acceptance = Budget.named(budget), None if accept is None else Acceptance.named(accept)
    if events is not None and events < FEWEST_EVENTS:
        raise InputError(f"--events {events} is too few; evaluate needs at least {FEWEST_EVENTS}.")
    others = members_of(ensemble, candidate)
    for file in (candidate, *others, *([training] if training else [])):
        comparable_beams(files.read_run(file), files.read_run(reference))
    if events is not None:
        allowed = allowed.judging(events)
    _make_folder(folder)
    progress("reading", 0.0)
    judged = files.read(candidate, allowed.events).final_state()
    truth = files.read(reference, allowed.reference_events(len(judged))).final_state()
    known = files.read(training, allowed.training_events).final_state() if training else None
    members = [files.read(member, allowed.events).final_state() for member in others]
    comparison = Comparison.before(judged, truth, allowed, acceptance, members=members, training=known)
    with _drawing(comparison, folder / "figures", workers or available_cores()) as finish:
        evaluation = evaluate(judged, truth, allowed, part(progress, 0.02, 0.75), known, acceptance=acceptance)
        document = to_document(evaluation, str(candidate), str(reference))
        if members:
            found = EnsembleRecord.of(
                bands(comparison.with_numbers(evaluation)), len(members) + 1, trained=known is not None
            )
            document = document.model_copy(update={"ensemble": found})
        with atomic_path(folder / "metrics.json") as path:
            path.write_text(document.model_dump_json(indent=2), encoding="utf-8")
        progress("figures", 0.8)
        figures = finish(comparison.with_numbers(evaluation))
    displays = choose_displays(comparison.candidate, comparison.reference)
    with atomic_path(folder / "index.html") as path:
        path.write_text(report_page(document, figures, displays), encoding="utf-8")
    progress("done", 1.0)
    return Report(evaluation, folder, document.ensemble)


@contextmanager
def _drawing(comparison: Comparison, place: Path, workers: int) -> Iterator[Callable[[Comparison], list[Drawn]]]:
    """Draw what needs no numbers while they are computed, and the rest when they are known.

    With one worker all is drawn at the end. The yielded function draws the rest and returns all figures.
    """
    try:
        if workers > 1:
            with behind(partial(_draw_one, comparison, place), workers=workers - 1) as helpers:
                helpers.give(_Order(d.name) for d in DRAWINGS if not d.needs_numbers)
                yield partial(_finish, place, helpers)
        else:
            yield partial(_draw_all, place)
    except OSError as error:
        raise explain_os_error(error, place) from error


class _Order(NamedTuple):
    """A figure to be drawn, with the numbers where it needs them."""

    name: str
    numbers: Evaluation | None = None


def _draw_one(comparison: Comparison, place: Path, order: _Order, advance: Advance) -> None:
    draw(comparison if order.numbers is None else comparison.with_numbers(order.numbers), place, order.name)
    advance(1)


def _draw_all(place: Path, comparison: Comparison) -> list[Drawn]:
    for drawing in DRAWINGS:
        draw(comparison, place, drawing.name)
    return [drawn(place, drawing) for drawing in DRAWINGS]


def _finish(place: Path, helpers: Helpers[_Order], comparison: Comparison) -> list[Drawn]:
    helpers.give(_Order(d.name, comparison.numbers) for d in DRAWINGS if d.needs_numbers)
    helpers.finish()
    return [drawn(place, drawing) for drawing in DRAWINGS]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "figures").mkdir(exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, folder) from error
