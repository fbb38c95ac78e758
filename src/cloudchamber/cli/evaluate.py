"""`cloudchamber evaluate`: how close events are to a reference."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cloudchamber.errors import InputError

if TYPE_CHECKING:
    from cloudchamber.evaluate.document import EnsembleRecord

__all__ = ["evaluate"]


def evaluate(
    file: Annotated[Path, typer.Argument(help="The events to judge: a file, or a folder of Parquet shards.")],
    *,
    reference: Annotated[Path, typer.Option(help="What to compare with: a file, or a folder of Parquet shards.")],
    out: Annotated[Path, typer.Option(help="Folder for metrics.json, index.html and figures.")],
    budget: Annotated[
        str,
        typer.Option(
            help="quick, standard or full: at most 10,000, 50,000 or all events (5,000, 20,000 or all showers)."
        ),
    ] = "standard",
    events: Annotated[int | None, typer.Option(help="Judge this many events instead of the budget's number.")] = None,
    training: Annotated[
        Path | None,
        typer.Option(help="What was learned from: are events known by heart, and what do all members get wrong?"),
    ] = None,
    ensemble: Annotated[
        list[Path] | None,
        typer.Option(help="Events of another member of the candidate's ensemble (give it for each), or their folder."),
    ] = None,
    accept: Annotated[
        str | None,
        typer.Option(
            help="Keep some particles only: those of 'paper' (arXiv:2410.22421) or 'image' (arXiv:2310.16308)."
        ),
    ] = None,
    binning: Annotated[
        Path | None, typer.Option(help="The CaloChallenge's binning file, where files of showers do not tell theirs.")
    ] = None,
) -> None:
    """Compare events, or showers, with a reference, every number beside its truth-against-truth floor.

    With --ensemble every spectrum gets a band for the uncertainty of the model: the spread of models that differ by
    chance alone, such as those of `train --members`, each with events of its own seed. With --training besides, the
    error that all members share is part of the band. Floors need a large reference: best 21 times as many events as are
    judged. All samples must have the same beams, cuts and level of decays. Muons and jets of two protons are recognised
    by their beams and compared by number of jets.

    Example:
        cloudchamber evaluate events.parquet --reference reference --out report --budget quick

    Args:
        file: the events to judge.
        reference: what to compare with.
        out: folder for the report.
        budget: how much work it may be.
        events: judge this many events.
        training: what a model was trained on.
        ensemble: events of other members of the candidate's ensemble, or one folder of them.
        accept: a selection of particles; all by default.
        binning: the CaloChallenge's binning file, where files of showers do not tell their geometry.
    """
    from cloudchamber.formats.showers import holds_showers
    from cloudchamber.recipes.zjets_evaluation import holds_zjets

    if holds_showers(file) or holds_showers(reference):
        _refuse({"--ensemble": ensemble, "--accept": accept}, "showers")
        _showers(file, reference, out, budget=budget, showers=events, binning=binning, training=training)
        return
    _refuse({"--binning": binning}, "events")
    if holds_zjets(file) or holds_zjets(reference):
        _refuse({"--accept": accept}, "muons and jets")
        _jets(file, reference, out, budget=budget, events=events, training=training, ensemble=ensemble or ())
        return
    os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")  # a second of imports; transport is done with numpy here
    from cloudchamber.recipes.evaluation import evaluate_files

    with _bar() as progress:
        report = evaluate_files(
            file, reference, out, budget=budget, events=events, training=training, accept=accept,
            ensemble=ensemble or (), progress=progress,
        )  # fmt: skip
    verdict = report.evaluation.verdict
    for line in (verdict.sentence, *verdict.reasons):
        typer.echo(line)
    _tell_members(report.ensemble)
    typer.echo(f"report: '{out / 'index.html'}'")


def _tell_members(found: "EnsembleRecord | None") -> None:
    if found is not None:
        typer.echo(
            f"{found.members} members: one standard deviation covers {found.covered:.0%} of {found.bins:,} bins, "
            f"{found.covered_by_statistics:.0%} by statistics alone"
        )


def _showers(file: Path, reference: Path, out: Path, **options: Any) -> None:  # noqa: ANN401
    """Judge showers."""
    from cloudchamber.recipes.shower_evaluation import evaluate_shower_files

    with _bar() as progress:
        report = evaluate_shower_files(file, reference, out, progress=progress, **options)
    for line in (report.document.verdict.sentence, *report.document.verdict.reasons):
        typer.echo(line)
    typer.echo(f"report: '{out / 'index.html'}'")


def _jets(file: Path, reference: Path, out: Path, **options: Any) -> None:  # noqa: ANN401
    """Judge muons and jets."""
    from cloudchamber.recipes.zjets_evaluation import evaluate_zjets_files

    with _bar() as progress:
        document = evaluate_zjets_files(file, reference, out, **options, progress=progress).document
    for line in (document.sentence, *document.reasons):
        typer.echo(line)
    _tell_members(document.ensemble)
    typer.echo(f"report: '{out / 'index.html'}'")


def _refuse(options: dict[str, object], kind: str) -> None:
    for name, value in options.items():
        if value:
            raise InputError(f"{name} does not apply to {kind}; leave it out.")


@contextmanager
def _bar() -> Iterator[Callable[[str, float], None]]:
    """A progress bar on standard error that names the step; silent when it is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description:<32}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("evaluating", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)
