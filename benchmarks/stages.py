r"""Fidelity against network calls, stage by stage: what few calls of the electron and of the cloud cost.

    cloudchamber distill ep-dis-10x275 --start 8 --calls 1 --preset ep-dis-10x275-fast --data primary --out fast
    python benchmarks/stages.py fast/student-8 fast/student-4 fast/student-2 fast --reference reference --out stages
    python benchmarks/stages.py ep-dis-10x275 ep-dis-10x275:4 ep-dis-10x275:2 ep-dis-10x275:1 ep-dis-10x275-fast \
        --reference reference --out few

The students are those of one progressive distillation, with the calls that their cards say, or one model sampled with
the calls that follow its name. Every student is judged whole, and then with one of its diffusion stages put into the
first student, whose other stages stay as they are.
"""

import argparse
import copy
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.ticker import NullFormatter
from table import print_table

from cloudchamber.errors import InputError
from cloudchamber.evaluate.document import MetricsDocument
from cloudchamber.recipes.config import DIFFUSION_STAGES
from cloudchamber.recipes.evaluation import evaluate_files
from cloudchamber.recipes.generation import GenerationSetting, generate_file, load
from cloudchamber.recipes.store import TrainedModel, load_model, save_model
from cloudchamber.tensors.named import part

STAGES = DIFFUSION_STAGES["cascade"]
SHOWN = ("AUC, observables", "AUC, particle cloud", "FPD", "sliced W1")


class Point(NamedTuple):
    """Which stages take how many calls, and whether they were taught to (the model is not the first)."""

    stages: tuple[str, ...]
    calls: int
    taught: bool


def opened(student: str) -> TrainedModel:
    """A model that is sampled with the calls that are asked for.

    Args:
        student: MODEL or MODEL:CALLS.
    """
    name, _, calls = student.partition(":")
    model = load_model(name)
    if not calls:
        return model
    preset = model.card.preset
    sampling = preset.sampling.model_copy(update={"calls": int(calls), "stage_calls": {}})
    card = model.card.model_copy(update={"preset": preset.model_copy(update={"sampling": sampling})})
    return replace(model, card=card)


def mixed(base: TrainedModel, student: TrainedModel, stages: tuple[str, ...], path: Path) -> None:
    """Write a model with some stages of a student in a base, each sampled with the calls it was taught to take.

    A cloud brings the maps and the species stage that it was taught with; electrons have the same coordinates in both.
    The solver is the base's while one of its stages is left: with one call all solvers take the same step.

    Args:
        base: the other stages.
        student: the model whose stages are put in.
        stages: names.
        path: of the weights' file.
    """
    giver = {name: student if name in stages else base for name in STAGES}
    whole, electron = giver["cloud"], giver["electron"]
    ours, theirs = (part(model.representation.state(), "electron") for model in (whole, electron))
    if any(not torch.equal(ours[name], theirs[name]) for name in ours):
        raise InputError("these models have different coordinates of the electron, so its stage cannot be exchanged.")
    model = copy.deepcopy(whole.model)
    model.stages["electron"] = copy.deepcopy(electron.model["electron"])
    calls = {name: giver[name].card.preset.sampling.calls for name in STAGES}
    sampler = (student if len(stages) == len(STAGES) else base).card.preset.sampling
    sampling = sampler.model_copy(update={"stage_calls": calls})
    preset = whole.card.preset.model_copy(update={"sampling": sampling, "electron": electron.card.preset.electron})
    save_model(path, model, whole.representation, whole.card.model_copy(update={"preset": preset}))


def judged(student: str, stages: tuple[str, ...], chosen: argparse.Namespace) -> MetricsDocument:
    """What `evaluate` says of a mixed model; made where it has not been.

    Args:
        student: a model.
        stages: those taken from it.
        chosen: the options of the command.
    """
    place: Path = chosen.out / f"{'-'.join(stages)}-{Path(student).name.replace(':', '-')}"
    place.mkdir(parents=True, exist_ok=True)
    report = place / "report"
    if not (report / "metrics.json").exists():
        mixed(opened(chosen.students[0]), opened(student), stages, place / "model.safetensors")
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


def draw(found: dict[Point, MetricsDocument], path: Path) -> None:
    """The area of the trees against calls, a line for each choice of stages.

    Args:
        found: what `evaluate` says of each.
        path: the picture.
    """
    figure, axis = plt.subplots(figsize=(5.5, 4.5), layout="constrained")
    metrics = {point: next(m for m in document.metrics if m.name == SHOWN[0]) for point, document in found.items()}
    colours = {stages: f"C{n}" for n, stages in enumerate(dict.fromkeys(point.stages for point in found))}
    shifts = {stages: 1.04 ** (n - 1) for n, stages in enumerate(colours)}
    for stages, taught in dict.fromkeys((point.stages, point.taught) for point in found):
        points = sorted(
            (p.calls, m.value, m.error) for p, m in metrics.items() if (p.stages, p.taught) == (stages, taught)
        )
        calls, values, errors = zip(*points, strict=True)
        label = ("both stages" if len(stages) > 1 else f"{stages[0]} only") + (", distilled" if taught else "")
        axis.errorbar([shifts[stages] * n for n in calls], values, errors, marker="*" if taught else "o",
                      markersize=11 if taught else 5, fillstyle="none", capsize=2, color=colours[stages],
                      linestyle="--" if taught else "-", label=label)  # fmt: skip
    floors = [m.floor for m in metrics.values() if m.floor is not None]
    axis.axhline(float(np.mean(floors)), color="grey", linestyle=":", label="truth against truth")
    ticks = sorted({point.calls for point in found})
    axis.set(xscale="log", xlabel="network calls of the stage (points are shifted apart)",
             ylabel="area under the ROC curve of the trees")  # fmt: skip
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    """Mix, generate, evaluate, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("students", nargs="+", metavar="MODEL[:CALLS]")
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--events", type=int, default=10_240)
    parser.add_argument("--budget", default="quick")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("stages"))
    chosen = parser.parse_args()
    first = chosen.students[0]
    found: dict[Point, MetricsDocument] = {}
    rows = []
    for student in chosen.students:
        calls = opened(student).card.preset.sampling.calls
        taught = student.partition(":")[0] != first.partition(":")[0]
        for stages in (STAGES, *((name,) for name in STAGES if student != first)):
            document = judged(student, stages, chosen)
            found[Point(stages, calls, taught)] = document
            if student == first:
                found |= {Point((name,), calls, taught): document for name in STAGES}
            name = " + ".join(stages) + (", distilled" if taught else "")
            rows.append([name, str(calls), *cells(document)])
    headings = ["stages", "calls", *SHOWN, "W1 / floor, median", "worst"]
    print_table(f"{chosen.events:,} events", headings, rows, chosen.out / "table.md")
    draw(found, chosen.out / "stages.png")


if __name__ == "__main__":
    main()
