"""Fine-tuning a shipped model on a detuned Pythia8, beside training from nothing with the same budget.

    python benchmarks/finetuning.py --steps 600 --seeds 1 2 3 --folder runs/finetuning

The detuned generator is Pythia8 with another fragmentation (`--set`); both trainings see the same events, the same
networks in the same batches for the same number of steps (or, with --max-time, the same wall-clock time), and both warm
up in 50 steps. Their events are judged against fresh events of the detuned generator at the level stable: the area
under the ROC curve of boosted trees on the event observables, beside truth against truth. The shipped model as it is
stands in the first row. What has been made before is not made again.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from cloudchamber.evaluate import evaluate
from cloudchamber.evaluate.budget import Budget
from cloudchamber.events import Beams, Level
from cloudchamber.formats import files
from cloudchamber.recipes.config import Preset, load_preset
from cloudchamber.recipes.generation import GenerationSetting, generate_file, load
from cloudchamber.recipes.simulation import simulate_folder
from cloudchamber.recipes.store import read_card
from cloudchamber.recipes.training import train_preset
from cloudchamber.simulate.pythia import DISSetting

_SEEDS = {"train": 71, "reference": 72}
_WARM_UP = 50


class Samples(NamedTuple):
    """Folders of the detuned generator."""

    train: Path
    reference: Path


@dataclass(frozen=True)
class Row:
    """What became of one training.

    Attributes:
        name: how it began.
        seed: of the training.
        steps: of the optimiser.
        minutes: of training.
        validation_loss: at its end.
        area: under the ROC curve of the observables, its error, and truth against truth.
        worst: largest Wasserstein distance in units of its floor.
        median: of these ratios.
    """

    name: str
    seed: int | None
    steps: int
    minutes: float
    validation_loss: float | None
    area: tuple[float, float, float]
    worst: float
    median: float


def simulated(chosen: argparse.Namespace) -> Samples:
    """Both samples of the detuned generator.

    Args:
        chosen: the options of the command.
    """
    samples = Samples(chosen.folder / "train", chosen.folder / "reference")
    sizes = {"train": chosen.events, "reference": 21 * chosen.judged}
    for name, level in (("train", Level.PRIMARY), ("reference", Level.STABLE)):
        setting = DISSetting(Beams.parse("10x275"), 25.0, level=level, extra=tuple(chosen.set))
        simulate_folder(setting, chosen.folder / name, events=sizes[name], seed=_SEEDS[name])
    return samples


def scratch(model: str) -> Preset:
    """The preset of a model for a short training from nothing.

    Args:
        model: name of the preset.
    """
    preset = load_preset(model)
    return preset.model_copy(
        update={"training": preset.training.model_copy(update={"warm_up_steps": _WARM_UP, "clip_norm": 1000.0})}
    )


def trained(chosen: argparse.Namespace, samples: Samples, seed: int, *, tuned: bool) -> Path:
    """The folder of a training.

    Args:
        chosen: the options of the command.
        samples: of the detuned generator.
        seed: of the training.
        tuned: whether it starts from the model's weights.
    """
    out: Path = chosen.folder / f"{'tuned' if tuned else 'scratch'}-{seed}"
    if not (out / "done").exists():
        train_preset(
            None if tuned else scratch(chosen.model), samples.train, out, steps=chosen.steps,
            max_time=chosen.max_time, device="cpu", seed=seed, init=chosen.model if tuned else None,
            resume=(out / "last.pt").exists(),
        )  # fmt: skip
        (out / "done").touch()
    return out


def judged(chosen: argparse.Namespace, samples: Samples, model: str, name: str, seed: int | None) -> Row:
    """The row of a model.

    Args:
        chosen: the options of the command.
        samples: of the detuned generator.
        model: its name or folder.
        name: how it began.
        seed: of the training.
    """
    found = chosen.folder / f"{name}-{seed}.json"
    if not found.exists():
        path = chosen.folder / f"{name}-{seed}.parquet"
        setting = GenerationSetting(seed=100 + (seed or 0), calls=chosen.calls)
        generate_file(load(model), path, events=chosen.judged, setting=setting)
        budget = Budget.named("quick").judging(chosen.judged)
        result = evaluate(files.read(path), files.read(samples.reference), budget)
        score = result.classifier.score
        ratios = sorted(m.score.ratio for m in result.particles if m.score is not None and m.score.ratio is not None)
        phase = {} if seed is None else read_card(Path(model) / "card.json").training["phases"][-1]
        row = Row(
            name, seed, phase.get("steps", 0), phase.get("minutes", 0.0), phase.get("validation_loss"),
            (score.value, score.error, float("nan") if score.floor is None else score.floor),
            ratios[-1], ratios[len(ratios) // 2],
        )  # fmt: skip
        found.write_text(json.dumps(asdict(row), indent=2))
    return Row(**json.loads(found.read_text()))


def report(rows: list[Row], chosen: argparse.Namespace) -> None:
    """Print the table and who won.

    Args:
        rows: the model as it is, then pairs of fine-tuned and from nothing.
        chosen: the options of the command.
    """
    table = Table(title=f"{chosen.events:,} events of Pythia8 with {', '.join(chosen.set)}; {chosen.judged:,} judged")
    for heading in ("training", "seed", "steps", "minutes", "loss", "AUC", "floor", "W1/floor median", "worst"):
        table.add_column(heading, justify="left" if heading == "training" else "right")
    for row in rows:
        area, error, floor = row.area
        loss = "-" if row.validation_loss is None else f"{row.validation_loss:.3f}"
        table.add_row(row.name, str(row.seed or "-"), str(row.steps), f"{row.minutes:.1f}", loss,
                      f"{area:.3f} ± {error:.3f}", f"{floor:.3f}", f"{row.median:.2f}", f"{row.worst:.1f}")  # fmt: skip
    console = Console(width=120)
    console.print(table)
    pairs = list(zip(rows[1::2], rows[2::2], strict=True))
    won = sum(tuned.area[0] < new.area[0] for tuned, new in pairs)
    console.print(f"fine-tuning is closer to the detuned events on {won} of {len(pairs)} seeds")


def main() -> None:
    """Train, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ep-dis-10x275", help="a shipped model with a preset of its name")
    parser.add_argument("--set", nargs="+", default=["StringZ:aLund = 0.4", "StringPT:sigma = 0.45"])
    parser.add_argument("--events", type=int, default=20_000, help="to train on")
    parser.add_argument("--judged", type=int, default=10_000, help="events of each model that are judged")
    parser.add_argument("--steps", type=int, help="of each training")
    parser.add_argument("--max-time", type=float, help="seconds of each training, instead of steps")
    parser.add_argument("--calls", type=int, default=8, help="network calls of each diffusion stage")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--folder", type=Path, required=True)
    chosen = parser.parse_args()
    if (chosen.steps is None) == (chosen.max_time is None):
        parser.error("give --steps or --max-time")
    chosen.folder.mkdir(parents=True, exist_ok=True)
    samples = simulated(chosen)
    rows = [judged(chosen, samples, chosen.model, "as it is", None)]
    for seed in chosen.seeds:
        for tuned, name in ((True, "tuned"), (False, "scratch")):
            run = trained(chosen, samples, seed, tuned=tuned)
            rows.append(judged(chosen, samples, str(run), name, seed))
    report(rows, chosen)


if __name__ == "__main__":
    main()
