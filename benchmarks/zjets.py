"""JetGPT, flow matching, a DDPM and a normalising flow on Z + jets, as arXiv:2305.10475 compares them.

    cloudchamber simulate zjets --events 600000 --seed 1 --out data/train
    cloudchamber simulate zjets --events 1500000 --seed 2 --out data/test
    cloudchamber simulate zjets --events 1000000 --seed 3 --out data/more
    python benchmarks/zjets.py train --data data/train --folder runs --minutes 12
    python benchmarks/zjets.py several --data data/train --out data/several.parquet
    cloudchamber train zjets-jetgpt --init runs/zjets-jetgpt --data data/several.parquet --out again --max-time 20m
    cloudchamber train zjets-jetgpt --init again --data data/train --out last --max-time 40m
    rm -r runs/zjets-jetgpt && mv last runs/zjets-jetgpt
    python benchmarks/zjets.py judge --folder runs --reference data/test --models zjets-ddpm --events 4000
    python benchmarks/zjets.py judge --folder runs --reference data/test --models zjets-inn \
        --models zjets-flow-matching --events 100000
    python benchmarks/zjets.py judge --folder runs --reference data/test --models zjets-inn \
        --models zjets-flow-matching --events 20000 --jets 2 --inside-cuts
    python benchmarks/zjets.py judge --folder runs --reference data/test --models zjets-jetgpt --other data/more
    python benchmarks/zjets.py sizes --data data/train --folder runs --minutes 4 --sizes 2000 --sizes 10000 \
        --sizes 50000 --models zjets-inn --models zjets-flow-matching --models zjets-jetgpt
    python benchmarks/zjets.py judge --folder runs --reference data/test --events 20000
    for model in zjets-jetgpt zjets-flow-matching zjets-ddpm zjets-inn; do
      cloudchamber train $model-bayesian --init runs/$model --data data/train --out runs/$model-bayesian --max-time 5m
    done
    python benchmarks/zjets.py bands --folder runs --reference data/test --training data/train
    python benchmarks/zjets.py page --folder runs --out docs

`train` gives every model the same time on one process and goes on where it stopped; runs that were trained otherwise
may stand in the folder under the names of the presets instead. `several` writes the events with two or three jets and
half as many with one, for a longer training of what is rare; all events in the end give everything its share again.
`judge` makes events of one, two and three jets with every run that has not been judged, measures them, and keeps what
it has measured; once more with events outside of the cuts drawn again, for the models that have such. With `--other`
it also judges other events of Pythia8. `bands` makes events of several draws of the weights of Bayesian runs. `page`
writes docs/zjets.md and its figures from all that.
"""

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from zjets_bands import BANDS, MeasuredDraws, measure_draws
from zjets_page import REDRAWN, TRUTH, write_page

from cloudchamber.errors import InputError
from cloudchamber.evaluate.budget import BUDGETS, FEWEST_EVENTS, Budget
from cloudchamber.evaluate.zjets.document import zjets_document
from cloudchamber.evaluate.zjets.evaluation import evaluate_zjets, of_one_multiplicity
from cloudchamber.events import Events
from cloudchamber.formats import files, parquet
from cloudchamber.physics.zjets import MOST_JETS
from cloudchamber.recipes.config import load_preset
from cloudchamber.recipes.draws import draw_file, generate_draws
from cloudchamber.recipes.generation import GenerationSetting, generate_file, load
from cloudchamber.recipes.phase_space import PhaseSpace
from cloudchamber.recipes.training import train_preset

MODELS = ("zjets-jetgpt", "zjets-flow-matching", "zjets-ddpm", "zjets-inn")
JUDGED = "judged"
BAYESIAN = "-bayesian"

app = typer.Typer(add_completion=False)
Folder = Annotated[Path, typer.Option(help="Folder of the runs, one for each model under its name.")]
Data = Annotated[Path, typer.Option(help="Training events.")]
Minutes = Annotated[float, typer.Option(help="Training time of each model.")]
Models = Annotated[list[str], typer.Option(help="Presets to train.")]


@dataclass(frozen=True)
class Cost:
    """What a model costs.

    Attributes:
        parameters: of its networks.
        training_events: that it was trained on.
        minutes: of training.
        milliseconds: of one core for an event.
    """

    parameters: int
    training_events: int
    minutes: float
    milliseconds: float


@app.command("train")
def train_models(*, data: Data, folder: Folder, minutes: Minutes = 20.0, models: Models = list(MODELS)) -> None:  # noqa: B006
    """Train every model for the same time."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in models:
        _train(name, data, folder / name, minutes)


@app.command()
def sizes(
    *, data: Data, folder: Folder, sizes: Annotated[list[int], typer.Option(help="Training events.")],
    minutes: Minutes = 20.0, models: Models = list(MODELS),  # noqa: B006
) -> None:  # fmt: skip
    """Train every model on some of the events only."""
    folder.mkdir(parents=True, exist_ok=True)
    for size in sizes:
        part = folder / f"events-{size}.parquet"
        if not part.exists():
            parquet.write(part, files.read(data, size))
        for name in models:
            _train(name, part, folder / f"{name}@{size}", minutes)


@app.command()
def several(*, data: Data, out: Annotated[Path, typer.Option(help="File of events.")]) -> None:
    """Write the events with several jets, and half as many with one jet, in random order."""
    events = files.read(data)
    jets = events.counts - 2
    rare = np.flatnonzero(jets > 1)
    chosen = np.concatenate([rare, np.flatnonzero(jets == 1)[: len(rare) // 2]])
    parquet.write(out, events[np.random.default_rng(1).permutation(chosen)])


def _train(name: str, data: Path, out: Path, minutes: float) -> None:
    train_preset(load_preset(name), data, out, max_time=60 * minutes, device="cpu", resume=out.exists())
    typer.echo(f"{out.name}: trained")


@app.command()
def judge(
    *, folder: Folder, reference: Annotated[list[Path], typer.Option(help="Folders of events that no model has seen.")],
    events: Annotated[int, typer.Option(help="Of each number of jets.")] = 300_000,
    pairs: Annotated[int, typer.Option(help="Truth-truth pairs of the floors.")] = 3,
    numbers: Annotated[list[int], typer.Option("--jets", help="Numbers of jets.")] = list(range(1, 1 + MOST_JETS)),  # noqa: B006
    inside_cuts: Annotated[bool, typer.Option("--inside-cuts", help="Draw events outside of the cuts again.")] = False,
    other: Annotated[Path | None, typer.Option(help="More events of Pythia8, judged as if a model made them.")] = None,
    models: Annotated[list[str] | None, typer.Option(help="Runs to judge; all by default.")] = None,
) -> None:  # fmt: skip
    """Make and measure events of every run."""
    truth = Events.concatenate([files.read(path) for path in reference])
    more = None if other is None else files.read(other)
    (folder / JUDGED).mkdir(exist_ok=True)
    for jets in numbers:
        known = of_one_multiplicity(truth, jets)
        if len(known) < FEWEST_EVENTS:
            typer.echo(f"{jets} jets: only {len(known)} reference events, left out")
            continue
        budget = replace(
            BUDGETS["quick"], name="benchmark", events=min(events, len(known)), figure_events=0, pairs=pairs,
            classifier_pairs=pairs,
        )  # fmt: skip
        itself = folder / JUDGED / f"{TRUTH}-{jets}"
        if more is not None and not itself.with_name(itself.name + ".json").exists():
            alike = of_one_multiplicity(more, jets)
            _measure(alike, None, itself, known, replace(budget, events=min(events, len(known), len(alike))))
        for run in _runs(folder, models):
            place = folder / JUDGED / f"{run.name}{REDRAWN * inside_cuts}-{jets}"
            if not place.with_name(place.name + ".json").exists() and not (inside_cuts and _has_edges(run)):
                _judge(run, place, PhaseSpace(jets=jets, inside_cuts=inside_cuts), known, budget)


def _runs(folder: Path, models: list[str] | None) -> list[Path]:
    """Folders of the runs that were asked for; without a wish, of all that have one set of weights."""
    found = sorted(path for path in folder.iterdir() if (path / "card.json").exists())
    chosen = [path for path in found if (path.name in models if models else not path.name.endswith(BAYESIAN))]
    if not chosen:
        raise InputError(f"'{folder}' holds no run{' of ' + ', '.join(models) if models else ''}; run 'train' first.")
    return chosen


@app.command()
def bands(
    *, folder: Folder, reference: Annotated[list[Path], typer.Option(help="Folders of events that no model has seen.")],
    training: Annotated[Path, typer.Option(help="Events that the models were trained on.")],
    events: Annotated[int, typer.Option(help="Of each draw.")] = 10_000,
    draws: Annotated[int, typer.Option(help="Draws of the weights.")] = 10,
    jets: Annotated[int, typer.Option(help="Number of jets.")] = 2,
    calls: Annotated[int, typer.Option(help="Most network calls of a stage.")] = 100,
) -> None:  # fmt: skip
    """Make events of draws of every Bayesian run, and keep their quantities."""
    truth = of_one_multiplicity(Events.concatenate([files.read(path) for path in reference]), jets)
    known = of_one_multiplicity(files.read(training), jets)
    (folder / BANDS).mkdir(exist_ok=True)
    for run in _runs(folder, [f"{name}{BAYESIAN}" for name in MODELS]):
        place = folder / BANDS / f"{run.name.removesuffix(BAYESIAN)}-{jets}.npz"
        if place.exists():
            continue
        generator = load(str(run))
        preset = generator.trained.card.preset
        taken = min(preset.sampling.calls, calls) if preset.takes_calls else None
        setting = GenerationSetting(seed=1, phase_space=PhaseSpace(jets=jets), calls=taken)
        made = folder / BANDS / run.name
        generate_draws(generator, made, draws, events=events, setting=setting, resume=True)
        samples = [files.read(draw_file(made, k)) for k in range(draws)]
        measured = measure_draws(samples, known, truth, jets)
        measured.save(place)
        typer.echo(f"{place.stem}: width of the pulls {measured.width():.2f}")


def _has_edges(run: Path) -> bool:
    """Whether no event of a run can be outside of the cuts."""
    return load(str(run)).trained.card.preset.vector.model == "jetgpt"


def _judge(run: Path, place: Path, wanted: PhaseSpace, truth: Events, budget: Budget) -> None:
    assert budget.events is not None
    made, cost = _made(run, place.with_name(place.name + ".parquet"), wanted, budget.events)
    _measure(made, cost, place, truth, budget)


def _measure(made: Events, cost: Cost | None, place: Path, truth: Events, budget: Budget) -> None:
    evaluation = evaluate_zjets(made, truth, budget)
    (one,) = evaluation.numbers
    document = zjets_document(evaluation, place.name, "reference").model_dump(mode="json")
    found = {"cost": None if cost is None else asdict(cost), **document}
    rows = slice(0, int(one.plan.reference.stop))
    np.savez_compressed(
        place.with_name(place.name + ".npz"), candidate=one.tables[0].astype(np.float32),
        reference=one.tables[1][rows].astype(np.float32), weight=one.weights[1][rows],
    )  # fmt: skip
    place.with_name(place.name + ".json").write_text(json.dumps(found, indent=1) + "\n")
    score = one.classifier.score
    typer.echo(f"{place.name}: AUC {score.value:.4f}, floor {score.floor or 0.5:.4f}")


def _made(run: Path, place: Path, wanted: PhaseSpace, n: int) -> tuple[Events, Cost]:
    generator = load(str(run))
    setting = GenerationSetting(seed=1, phase_space=wanted)
    start = time.process_time()
    generate_file(generator, place, events=n, setting=setting)
    spent = time.process_time() - start
    made = files.read(place)
    place.unlink()
    card = generator.trained.card
    parameters = sum(p.numel() for p in generator.trained.model.parameters())
    return made, Cost(parameters, card.events, _minutes(card.training), 1000 * spent / n)


def _minutes(training: dict[str, Any]) -> float:
    """Time of all phases of a run."""
    return float(sum(phase["minutes"] for phase in training.get("phases", [])))


@app.command()
def page(*, folder: Folder, out: Annotated[Path, typer.Option(help="Folder of the page.")]) -> None:
    """Write docs/zjets.md and its figures."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted((folder / JUDGED).glob("*.json"))}
    if not found:
        raise InputError(f"'{folder / JUDGED}' holds nothing; run 'judge' first.")
    drawn = {path.stem: MeasuredDraws.read(path) for path in sorted((folder / BANDS).glob("*.npz"))}
    write_page(found, drawn, folder / JUDGED, out)


if __name__ == "__main__":
    app()
