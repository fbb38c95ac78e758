"""Fidelity against network calls, stage by stage: what few calls of the electron and of the cloud cost.

    cloudchamber distill ep-dis-10x275 --start 8 --calls 1 --preset ep-dis-10x275-fast --data primary --out fast
    python benchmarks/stages.py fast/student-8 fast/student-4 fast/student-2 fast --reference reference --out stages

The students are those of one progressive distillation, with the calls that their cards say. Every student is judged
whole, and then with one of its diffusion stages put into the first student, whose other stages stay as they are.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullFormatter
from rich.console import Console
from rich.table import Table

from cloudchamber.evaluate.document import MetricsDocument
from cloudchamber.recipes.config import DIFFUSION_STAGES
from cloudchamber.recipes.evaluation import evaluate_files
from cloudchamber.recipes.generation import GenerationSetting, generate_file, load
from cloudchamber.recipes.store import TrainedModel, load_model, save_model

STAGES = DIFFUSION_STAGES["cascade"]
SHOWN = ("AUC, observables", "AUC, particle cloud", "FPD", "sliced W1")


def mixed(base: TrainedModel, student: TrainedModel, stages: tuple[str, ...], path: Path) -> None:
    """Write a model with some stages of a student in a base, each sampled with the calls it was taught to take.

    Args:
        base: the other stages.
        student: the model whose stages are put in.
        stages: names.
        path: of the weights' file.
    """
    for name in stages:
        base.model[name].load_state_dict(student.model[name].state_dict())
    calls = {name: (student if name in stages else base).card.preset.sampling.calls for name in STAGES}
    sampling = student.card.preset.sampling.model_copy(update={"stage_calls": calls})
    preset = base.card.preset.model_copy(update={"sampling": sampling})
    save_model(path, base.model, base.representation, base.card.model_copy(update={"preset": preset}))


def judged(student: str, stages: tuple[str, ...], chosen: argparse.Namespace) -> MetricsDocument:
    """What `evaluate` says of a mixed model; made where it has not been.

    Args:
        student: a model.
        stages: those taken from it.
        chosen: the options of the command.
    """
    calls = load_model(student).card.preset.sampling.calls
    place: Path = chosen.out / f"{'-'.join(stages)}-{calls}"
    place.mkdir(parents=True, exist_ok=True)
    report = place / "report"
    if not (report / "metrics.json").exists():
        mixed(load_model(chosen.students[0]), load_model(student), stages, place / "model.safetensors")
        generate_file(load(str(place / "model.safetensors")), place / "events.parquet", events=chosen.events,
                      setting=GenerationSetting(seed=1), workers=chosen.workers)  # fmt: skip
        evaluate_files(place / "events.parquet", chosen.reference, report, budget=chosen.budget)
    return MetricsDocument.model_validate_json((report / "metrics.json").read_bytes())


def cells(document: MetricsDocument) -> list[str]:
    """The numbers of a model, as text.

    Args:
        document: what `evaluate` says.
    """
    found = {metric.name: metric for metric in document.metrics}
    shown = [f"{found[name].value:.4g} ± {found[name].error:.1g}" if name in found else "" for name in SHOWN]
    ratios = [m.score.ratio for m in document.particles if m.score is not None and m.score.ratio is not None]
    return [*shown, f"{np.median(ratios):.2f}", f"{max(ratios):.1f}"]


def draw(found: dict[tuple[tuple[str, ...], int], MetricsDocument], path: Path) -> None:
    """The area of the trees against calls, a line for each choice of stages.

    Args:
        found: by stages and calls.
        path: the picture.
    """
    figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
    name = SHOWN[0]
    metrics = {key: next(m for m in document.metrics if m.name == name) for key, document in found.items()}
    for stages in dict.fromkeys(stages for stages, _ in found):
        points = sorted((calls, m.value, m.error) for (these, calls), m in metrics.items() if these == stages)
        calls, values, errors = zip(*points, strict=True)
        label = "both stages" if len(stages) > 1 else f"{stages[0]} only"
        axis.errorbar(calls, values, errors, marker="o", capsize=2, label=label)
    floors = [m.floor for m in metrics.values() if m.floor is not None]
    axis.axhline(float(np.mean(floors)), color="grey", linestyle=":", label="truth against truth")
    ticks = sorted({calls for _, calls in found})
    axis.set(xscale="log", xlabel="network calls of the stage", ylabel="area under the ROC curve of the trees")
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    """Mix, generate, evaluate, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("students", nargs="+")
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--events", type=int, default=10_240)
    parser.add_argument("--budget", default="quick")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("stages"))
    chosen = parser.parse_args()
    table = Table("stages", "calls", *SHOWN, "W1 / floor, median", "worst", title=f"{chosen.events:,} events")
    found = {}
    for student in chosen.students:
        for stages in (STAGES, *((name,) for name in STAGES if student != chosen.students[0])):
            document = judged(student, stages, chosen)
            calls = load_model(student).card.preset.sampling.calls
            found[stages, calls] = document
            if student == chosen.students[0]:
                found |= {((name,), calls): document for name in STAGES}
            table.add_row(" + ".join(stages), str(calls), *cells(document))
    Console(width=130).print(table)
    draw(found, chosen.out / "stages.png")


if __name__ == "__main__":
    main()
