r"""Fidelity against network calls, seconds and FLOPs, for models that are judged in the same way.

    cloudchamber train omnilearn --data stable --out runs/omnilearn --max-time 60m
    cloudchamber train omnilearn-masked --data stable --out runs/omnilearn-masked --max-time 60m
    cloudchamber train ep-dis-10x275 --data primary --out runs/ours --max-time 60m
    python benchmarks/fidelity.py runs/ours:8 runs/ours:16 runs/omnilearn:64:dpm++2m runs/omnilearn-masked:64:dpm++2m \
        --reference reference --events 10000 --out fidelity

Every entry is a model, the network calls of each of its diffusion stages, and a sampler where it is not the model's
own. All are judged by `evaluate` on the
particles of arXiv:2410.22421 (|eta| < 5) against the same reference; what has been made before is not made again.
FLOPs are those of the matrix products, counted by torch at 2 and at 4 calls and extended, as they are linear in the
calls; milliseconds are those of the CPU in all processes, files and decays included, which do not depend on what else
the machine does.
"""

import argparse
import json
import resource
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter
from table import print_table
from torch.utils.flop_counter import FlopCounterMode

from cloudchamber.evaluate.document import MetricsDocument
from cloudchamber.generate.pipeline import BLOCK
from cloudchamber.recipes.config import DIFFUSION_STAGES
from cloudchamber.recipes.evaluation import evaluate_files
from cloudchamber.recipes.generation import GenerationSetting, Generator, generate_file, load

TESTS = ("AUC, observables", "AUC, particle cloud", "FPD", "KPD", "sliced W1", "coverage", "MMD", "COV")


@dataclass(frozen=True)
class Cost:
    """What an event costs.

    Attributes:
        calls: network calls of the diffusion stages together.
        gflop: of the matrix products of all stages.
        milliseconds: of CPU time.
        events: how many were made.
    """

    calls: int
    gflop: float
    milliseconds: float
    events: int


def gflop(generator: Generator, calls: int) -> float:
    """FLOPs of one event in units of 10^9.

    Args:
        generator: a model.
        calls: of each diffusion stage.
    """
    counted = []
    for few in (2, 4):
        pipeline = generator.pipeline(GenerationSetting(calls=few, decay=False))
        with FlopCounterMode(display=False) as counter:
            pipeline.block(0, 1)
        counted.append(counter.get_total_flops())
    return float(counted[0] + (calls - 2) * (counted[1] - counted[0]) / 2) / BLOCK / 1e9


def cpu_seconds() -> float:
    """CPU time of this process and of those that it started and that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def judged(entry: str, chosen: argparse.Namespace) -> tuple[Cost, MetricsDocument]:
    """The cost of an entry and what `evaluate` says of its events; made where it has not been.

    Args:
        entry: MODEL:CALLS or MODEL:CALLS:SAMPLER.
        chosen: the options of the command.
    """
    model, calls, *sampler = entry.split(":")
    place = chosen.out / entry.replace("/", "_").replace(":", "-")
    place.mkdir(parents=True, exist_ok=True)
    cost, events = place / "cost.json", place / "events.parquet"
    if not cost.exists():
        generator = load(model)
        stages = DIFFUSION_STAGES[generator.trained.card.preset.family]
        start = cpu_seconds()
        setting = GenerationSetting(seed=1, calls=int(calls), sampler=sampler[0] if sampler else None)
        generate_file(generator, events, events=chosen.events, setting=setting, workers=chosen.workers)
        spent = 1e3 * (cpu_seconds() - start) / chosen.events
        found = Cost(len(stages) * int(calls), gflop(generator, int(calls)), spent, chosen.events)
        cost.write_text(json.dumps(asdict(found)))
    if not (place / "report" / "metrics.json").exists():
        evaluate_files(events, chosen.reference, place / "report", budget=chosen.budget, accept="paper")
    document = MetricsDocument.model_validate_json((place / "report" / "metrics.json").read_bytes())
    return Cost(**json.loads(cost.read_text())), document


def row(cost: Cost, document: MetricsDocument) -> dict[str, str]:
    """All numbers of a model, as text with their floors.

    Args:
        cost: of an event.
        document: what `evaluate` says.
    """
    numbers = {
        "diffusion calls": f"{cost.calls}",
        "GFLOP / event": f"{cost.gflop:.3g}",
        "CPU ms / event": f"{cost.milliseconds:.3g}",
        "events": f"{document.settings.n:,}",
    }
    for metric in document.metrics:
        if metric.name in TESTS:
            floor = "" if metric.floor is None else f" ({metric.floor:.3g})"
            numbers[metric.name] = f"{metric.value:.4g} ± {metric.error:.1g}{floor}"
    ratios = [m.score.ratio for m in document.particles if m.score is not None and m.score.ratio is not None]
    numbers["W1 / floor, median"] = f"{np.median(ratios):.2f}"
    numbers["W1 / floor, worst"] = f"{max(ratios):.1f}"
    common = [m for m in document.multiplicities if m.candidate_error and m.reference]
    worst = max(common, key=lambda m: abs(m.candidate - m.reference) / m.candidate_error)
    difference, error = 100 * (worst.candidate / worst.reference - 1), 100 * worst.candidate_error / worst.reference
    numbers["least likely multiplicity"] = f"{worst.species} {difference:+.1f} ± {error:.1f} %"
    return numbers


def draw(entries: Sequence[str], found: Sequence[tuple[Cost, MetricsDocument]], path: Path) -> None:
    """Tests against calls and against milliseconds per event.

    Args:
        entries: MODEL:CALLS[:SAMPLER].
        found: cost and metrics of each.
        path: the picture.
    """
    measured = {m.name for _, document in found for m in document.metrics}
    shown = [name for name in ("AUC, observables", "AUC, particle cloud", "FPD", "sliced W1") if name in measured]
    figure, axes = plt.subplots(2, len(shown), figsize=(4 * len(shown), 7), sharey="col", layout="constrained")
    for column, name in enumerate(shown):
        for model, marker in zip(dict.fromkeys(entry.split(":")[0] for entry in entries), cycle("osD^v")):
            points = [(cost, m) for entry, (cost, document) in zip(entries, found, strict=True)
                      for m in document.metrics if m.name == name and entry.split(":")[0] == model]  # fmt: skip
            for line, attribute in enumerate(("calls", "milliseconds")):
                x = [getattr(cost, attribute) for cost, _ in points]
                axes[line, column].errorbar(
                    x, [m.value for _, m in points], [m.error for _, m in points], marker=marker, fillstyle="none",
                    capsize=2, label=Path(model).name,
                )  # fmt: skip
        floors = [(cost, m.floor) for cost, document in found for m in document.metrics
                  if m.name == name and m.floor is not None]  # fmt: skip
        for line, attribute in enumerate(("calls", "milliseconds")):
            x = [getattr(cost, attribute) for cost, _ in floors]
            axes[line, column].plot(x, [floor for _, floor in floors], "_", color="black", markersize=14,
                                    label="truth against truth")  # fmt: skip
            axes[line, column].set(xscale="log", yscale="linear" if name.startswith("AUC") else "log", title=name)
    for line, label in enumerate(("network calls of the diffusion stages", "milliseconds of CPU per event")):
        for axis in axes[line]:
            axis.set_xlabel(label)
            low, high = axis.dataLim.intervalx
            axis.set_xlim(low / 1.6, high * 1.6)
            axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.xaxis.set_major_formatter("{x:g}")
            axis.xaxis.set_minor_formatter(NullFormatter())
    axes[0, 0].legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    """Generate, evaluate, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("entries", nargs="+", metavar="MODEL:CALLS[:SAMPLER]")
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--budget", default="standard")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("fidelity"))
    chosen = parser.parse_args()
    found = [judged(entry, chosen) for entry in chosen.entries]
    columns = [row(*one) for one in found]
    names = list(dict.fromkeys(name for column in columns for name in column))
    print_table(
        f"particles of arXiv:2410.22421, reference {chosen.reference.name}; in brackets truth against truth",
        ["", *chosen.entries],
        [[name, *(column.get(name, "") for column in columns)] for name in names],
        chosen.out / "table.md",
    )
    draw(chosen.entries, found, chosen.out / "fidelity.png")


if __name__ == "__main__":
    main()
