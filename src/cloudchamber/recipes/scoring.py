"""Wiring of scores: a model and a file of events in, a table of log-densities out.

Blocks of 256 consecutive events are scored independently, by any number of worker processes, and come out the same
whoever scores them and in whatever parts a file is read.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from cloudchamber import __version__
from cloudchamber.errors import InputError
from cloudchamber.events import Events
from cloudchamber.formats import files
from cloudchamber.formats.scores import open_scores
from cloudchamber.generate.acceptance import AcceptanceModel
from cloudchamber.generate.jet_score import JetScorer, JetScores
from cloudchamber.generate.pipeline import BLOCK
from cloudchamber.generate.score import Scorer, Scores, ScoreSolver
from cloudchamber.generate.species import SpeciesStage
from cloudchamber.process.likelihood import ExactTrace, Hutchinson
from cloudchamber.recipes.machine import one_thread
from cloudchamber.recipes.ordered import in_order
from cloudchamber.recipes.store import Card, TrainedModel, load_model
from cloudchamber.recipes.workers import Advance, exit_on_sigterm, keep_freed_memory
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.represent.vector import VectorRepresentation

__all__ = ["ScoreSetting", "Scored", "make_scorer", "score_events", "score_file"]

_MEASURE = {
    "electron": "ln of the density in (ln Q2, ln y, azimuth in radians)",
    "species": "ln of the probability of the list of species, before it is drawn again",
    "conservation": "-ln A(e), A the share of lists that obey the conservation laws at this electron",
    "cloud": "ln of the density in prod d^3p/E (GeV2) of the unordered particles, and of broad masses (GeV)",
    "folding": "ln of the density of folded decays (solid angle in sr, and k dm in GeV2) less that of the lot",
    "log_density": "the sum: ln of the density of the unordered final state, before the projection",
    "conservation_error": "standard error of conservation",
    "rule": "-inf: the model never makes such an event; NaN: no scattered electron in front, or not finite",
}
_MEASURE_OF_JETS = {
    "number": "ln of the probability of the number of jets",
    "kinematics": "ln of the density in pT (GeV), eta and azimuth of the particles, and the masses (GeV) of the jets",
    "log_density": "the sum",
    "rule": "-inf: the model never makes such an event; NaN: no muon, antimuon and one to three jets, or not finite",
}


@dataclass(frozen=True, kw_only=True)
class ScoreSetting:
    """How to score.

    Attributes:
        seed: names the random streams of Hutchinson's estimate and of the acceptance.
        divergence: `hutchinson`, or `exact` at the price of a backward pass for each of all dimensions.
        probes: of Hutchinson's estimate.
        steps: of the fourth-order Runge-Kutta method, four network calls each.
        draws: lists of species drawn to know how often they are lawful.
        cloud: score the momenta; without, the columns cloud and log_density are NaN, and all else is quick.

    Raises:
        InputError: if a number is impossible.
    """

    seed: int = 0
    divergence: Literal["hutchinson", "exact"] = "hutchinson"
    probes: int = 2
    steps: int = 4
    draws: int = 4096
    cloud: bool = True

    def __post_init__(self) -> None:
        for name, least in (("seed", 0), ("probes", 1), ("steps", 1), ("draws", 100)):
            value = getattr(self, name)
            if value < least:
                raise InputError(f"--{name} {value} is impossible: it must be at least {least}.")


class Scored(NamedTuple):
    """How many events were scored, how many of them the model never makes (-inf), and how many it cannot read (NaN)."""

    events: int
    impossible: int
    unreadable: int


def make_scorer(
    trained: TrainedModel, setting: ScoreSetting, device: str = "cpu", acceptance: AcceptanceModel | None = None
) -> Scorer | JetScorer:
    """What scores events.

    Args:
        trained: the model.
        setting: how to score.
        device: where the networks run.
        acceptance: of the species stage; fitted by default.

    Raises:
        InputError: if the model has no density of events, or is of any beams.
    """
    _require_its_own_beams(trained.card)
    representation, model = trained.representation, trained.model.to(device)
    if isinstance(representation, VectorRepresentation):
        return JetScorer(representation, model, device)
    if not isinstance(representation, CloudRepresentation):
        raise InputError(
            f"the model '{trained.card.preset.name}' has no density of events: it knows images, or takes its species "
            "from numbers; use a model of the family 'cascade'."
        )
    if acceptance is None:
        with torch.no_grad(), one_thread():
            stage = SpeciesStage(representation, model["species"], device)
            acceptance = AcceptanceModel.fit(stage, setting.draws, setting.seed)
    divergence: Callable[[Any], object] = (
        (lambda rng: ExactTrace()) if setting.divergence == "exact" else partial(Hutchinson, probes=setting.probes)
    )
    solver = ScoreSolver(divergence, ExactTrace, setting.steps, _POWER, cloud=setting.cloud)
    return Scorer(representation, model, acceptance, solver, seed=setting.seed, device=device)


def _require_its_own_beams(card: Card) -> None:
    if card.data.beams is None and card.data.protons is None:
        raise InputError(
            f"the model '{card.preset.name}' is of any beams, and events cannot be scored under such models; use a "
            "model that was trained at one setting of the beams, such as ep-dis-10x275-stable."
        )


_POWER = 1.5
"""Of the grid of steps: paths bend near the data."""


def score_events(
    trained: TrainedModel, events: Events, setting: ScoreSetting, device: str = "cpu"
) -> Scores | JetScores:
    """Scores of events in memory.

    Args:
        trained: the model.
        events: final states; those with decays are reduced to them.
        setting: how to score.
        device: where the networks run.

    Raises:
        InputError: if the model has no density of events, or the events are of other beams or another level.
    """
    events, scorer = matched(events, trained.card, "events"), make_scorer(trained, setting, device)
    with one_thread():
        parts = [scorer.score(events[a : a + BLOCK], a) for a in range(0, len(events), BLOCK)]
    kind = JetScores if isinstance(scorer, JetScorer) else Scores
    return kind(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def matched(events: Events, card: Card, source: str) -> Events:
    """Final states as a model knows them.

    Args:
        events: of any kind.
        card: of the model.
        source: name of the file.

    Raises:
        InputError: if the beams or the level are not the model's, or the model is of any beams.
    """
    _require_its_own_beams(card)
    beams, level = card.data.beams, card.preset.level
    if card.data.protons is not None:
        return _of_protons(events, card, source)
    assert beams is not None
    if events.run.beams not in (None, beams):
        raise InputError(f"'{source}' has beams {events.run.beams.name}, but the model was trained at {beams.name}.")
    if events.run.level not in (None, level):
        raise InputError(
            f"'{source}' holds level {events.run.level.value}, but the model '{card.preset.name}' knows level "
            f"{level.value}; decay the events, or choose another model."
        )
    return events.final_state().with_run(events.run.with_(beams=beams))


def _of_protons(events: Events, card: Card, source: str) -> Events:
    if events.run.protons not in (None, card.data.protons) or events.run.beams is not None:
        raise InputError(f"'{source}' has other beams than the protons that the model was trained at.")
    return events.with_run(events.run.with_(protons=card.data.protons))


def score_file(
    name: str,
    source: Path,
    out: Path,
    *,
    setting: ScoreSetting,
    device: str = "cpu",
    workers: int = 1,
    limit: int | None = None,
    advance: Advance = lambda made: None,
) -> Scored:
    """Score a file of events, streamed with bounded memory.

    Args:
        name: of the model.
        source: any file of events, or a folder of Parquet shards.
        out: Parquet file of scores.
        setting: how to score.
        device: where the networks run.
        workers: processes to use.
        limit: stop after this many events.
        advance: told how many events have been scored.

    Raises:
        InputError: if something does not fit or cannot be read or written.
    """
    for option, value in (("--workers", workers), ("--events", 1 if limit is None else limit)):
        if value < 1:
            raise InputError(f"{option} {value} is impossible: give a positive number.")
    if out.suffix != ".parquet":
        raise InputError(f"--out '{out}' must end in .parquet.")
    files.require_other_path(source, out)
    trained = load_model(name)
    scorer = make_scorer(trained, setting, device)
    of_jets = isinstance(scorer, JetScorer)
    columns = JetScores._fields if of_jets else Scores._fields
    kinds = {column: np.int64 if column == "event" else np.float64 for column in columns}
    metadata = {
        "model": trained.card.preset.name,
        "model_sha256": trained.digest,
        "package": f"cloudchamber {__version__}",
        "events": str(source),
        "setting": asdict(setting),
        "columns": _MEASURE_OF_JETS if of_jets else _MEASURE,
    }
    total = Scored(0, 0, 0)
    with exit_on_sigterm(), open_scores(out, kinds, metadata) as write:
        for scores in _scored(scorer, name, setting, workers, _blocks(source, trained.card, limit)):
            write(scores._asdict())
            n = len(scores.event)
            judged = _without_cloud(scores) if isinstance(scores, Scores) and not setting.cloud else scores.log_density
            impossible, unreadable = np.isneginf(judged).sum(), np.isnan(judged).sum()
            total = Scored(total.events + n, total.impossible + int(impossible), total.unreadable + int(unreadable))
            advance(n)
    return total


def _without_cloud(scores: Scores) -> NDArray[np.float64]:
    """What there is of the log-density where the momenta are not scored: NaN for unreadable events alone."""
    return scores.electron + scores.species + scores.conservation + scores.folding


class _Task(NamedTuple):
    """Events to score, and the number of the first."""

    events: Events
    first: int


def _blocks(source: Path, card: Card, limit: int | None) -> Iterator[_Task]:
    """Blocks of 256 consecutive events."""
    first = 0
    for events in files.iterate(source, 20 * BLOCK, require_finite=False):
        part = matched(events if limit is None else events[: limit - first], card, source.name)
        for start in range(0, len(part), BLOCK):
            yield _Task(part[start : start + BLOCK], first + start)
        first += len(part)
        if first == limit:
            return


def _scored(
    scorer: Scorer | JetScorer, name: str, setting: ScoreSetting, workers: int, blocks: Iterator[_Task]
) -> Iterator[Scores | JetScores]:
    """Scores of blocks in their order, made here or by worker processes that stay a few blocks ahead."""
    if workers == 1:
        with one_thread():
            for block in blocks:
                yield scorer.score(*block)
        return
    arguments = (name, setting, str(scorer.device), scorer.acceptance)
    yield from in_order(_work, blocks, workers=workers, ahead=2 * workers, start=_start_worker, arguments=arguments)


_worker: Scorer | JetScorer | None = None


def _start_worker(name: str, setting: ScoreSetting, device: str, acceptance: AcceptanceModel | None) -> None:
    """Load the model once in each worker process."""
    global _worker  # noqa: PLW0603
    torch.set_num_threads(1)
    keep_freed_memory()
    _worker = make_scorer(load_model(name), setting, device, acceptance)


def _work(task: _Task) -> Scores | JetScores:
    assert _worker is not None
    return _worker.score(*task)
