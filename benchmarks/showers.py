r"""Models and simulations of showers in one table, as a page with pictures.

    python benchmarks/showers.py ours=runs/calo:8 coarse=runs/calo:8@3x3x3 caloscore=runs/caloscore-v2:64@3x3x3#2000 \
        points=points.parquet --reference datasets/calo-wsi/test --truth datasets/calo-wsi/train --work work --out docs

An entry is NAME=MODEL or NAME=FILE of showers, with :CALLS for network calls of each diffusion stage, @3x3x3 for cells
that are merged before the comparison (those of the reference always, those of the showers if they are not yet so), and
#SHOWERS for fewer showers than the others have. Two rows are there unless `--models-only` is given: the truth, which is
judged as a candidate in the same way, and the parametrised simulation (`cloudchamber simulate showers`). All are given
the incident energies of the reference and are judged by `evaluate`. What the folder `--work` holds is not made again.

Times are those of the CPU in this process on one thread, which do not depend on what else the machine does: for one
shower, for 100 of the reference's first energies at once, and for all showers of the row, without loading the model.
"""

import argparse
import json
import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from importlib.resources import files as resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from table import print_table

from cloudchamber.evaluate.document import ScoreRecord
from cloudchamber.evaluate.showers.document import ResponseRecord, ShowerDocument
from cloudchamber.formats import showers as files
from cloudchamber.recipes.generation import GenerationSetting, load
from cloudchamber.recipes.shower_evaluation import evaluate_shower_files
from cloudchamber.recipes.shower_generation import Energies, ShowerGenerator, generate_showers
from cloudchamber.recipes.shower_merging import merge_showers, read_merging
from cloudchamber.recipes.shower_simulation import ShowerSetting, simulate_shower_file
from cloudchamber.recipes.store import Card, save_model
from cloudchamber.simulate.showers import Stream, load_constants, simulate_showers

Array = NDArray[np.float64]
SIMULATION, TRUTH = "parametrised", "truth against truth"
FIGURES = ("separations", "linearity", "profiles", "displays")
MOVERS = ("response", "hits", "depth", "log10_cell_E")
TIMED = (1, 100)


@dataclass
class Cost:
    """What a row costs.

    Attributes:
        parameters: numbers that were learnt or fitted; None where nothing is known.
        megabytes: of them on disk.
        calls: network calls of each diffusion stage, in words.
        training: how long the model was trained, in words.
        milliseconds: CPU time per shower, by the number of showers that are made at once.
    """

    parameters: int | None = None
    megabytes: float | None = None
    calls: str = ""
    training: str = ""
    milliseconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """What a row is made from.

    Attributes:
        name: of the row.
        source: a model, a file of showers, or the name of the simulation.
        calls: network calls of each diffusion stage; the model's own by default.
        merging: cells along x, y and layers in one, such as 3x3x3; none by default.
        showers: how many; all by default.
    """

    name: str
    source: str
    calls: int | None = None
    merging: str | None = None
    showers: int | None = None

    def __str__(self) -> str:
        rest = ((":", self.calls), ("@", self.merging), ("#", self.showers))
        return f"{self.name}={self.source}" + "".join(f"{sign}{value}" for sign, value in rest if value)

    @classmethod
    def parse(cls, text: str) -> "Entry":
        """An entry from the command line.

        Args:
            text: NAME=MODEL[:CALLS][@MERGING][#SHOWERS].

        Raises:
            ValueError: if it is none.
        """
        found = re.fullmatch(r"([^=]+)=(.+?)(?::(\d+))?(?:@(\d+x\d+x\d+))?(?:#(\d+))?", text)
        if found is None:
            raise ValueError(f"'{text}' is not NAME=MODEL[:CALLS][@MERGING][#SHOWERS]")
        name, source, calls, merging, showers = found.groups()
        return cls(name, source, int(calls) if calls else None, merging, int(showers) if showers else None)


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    entry: Entry
    cost: Cost
    document: ShowerDocument
    report: Path


def timed(make: Callable[[], object], showers: int, repeats: int) -> float:
    """CPU milliseconds per shower of the quickest of a few repetitions.

    Args:
        make: makes the showers.
        showers: how many.
        repeats: how often.
    """
    found = []
    for _ in range(repeats):
        start = time.process_time()
        make()
        found.append(time.process_time() - start)
    return 1e3 * min(found) / showers


def simulated(out: Path, energies: Array, seed: int = 1) -> Cost:
    """A file of the parametrised simulation.

    Args:
        out: the file.
        energies: incident energies, MeV.
        seed: names the random streams.
    """
    constants = load_constants()
    lines, lateral = 6 * 2, len(constants.lateral.z) + len(constants.lateral.k) + len(constants.lateral.p)
    size = resources("cloudchamber.simulate").joinpath("constants", "calo-wsi.json").read_text()
    cost = Cost(lines + lateral + len(constants.spots), len(size) / 1e6, "–")
    for n in TIMED:
        few = energies[:n]
        make = lambda few=few: simulate_showers(few, Stream.of(seed, 0), constants)  # noqa: E731
        cost.milliseconds[str(n)] = timed(make, n, 3)
    setting = ShowerSetting(energies, "--energies", seed=seed)
    whole = timed(lambda: simulate_shower_file(out, setting, showers=len(energies)), len(energies), 1)
    cost.milliseconds[str(len(energies))] = whole
    return cost


def generated(model: str, calls: int | None, out: Path, energies: Array, seed: int = 1) -> Cost:
    """A file of a model.

    Args:
        model: a shipped name, a run, or a file of weights.
        calls: network calls of each diffusion stage; the model's own by default.
        out: the file.
        energies: incident energies, MeV.
        seed: names the random streams.
    """
    loaded = load(model)
    maker = ShowerGenerator(loaded.name, loaded.trained, loaded.device)
    weights = out.with_name("weights.safetensors")
    save_model(weights, loaded.trained.model, loaded.trained.representation, loaded.trained.card)
    sampling = loaded.trained.card.preset.sampling
    stages = [f"{stage} {n}" for stage, n in sampling.stage_calls.items()]
    text = str(calls) if calls else ", ".join([str(sampling.calls), *stages])
    cost = Cost(sum(p.numel() for p in loaded.trained.model.parameters()), weights.stat().st_size / 1e6, text,
                trained(loaded.trained.card))  # fmt: skip
    setting = GenerationSetting(seed=seed, calls=calls)
    for n in TIMED:
        few = energies[:n] / 1e3
        cost.milliseconds[str(n)] = timed(lambda few=few: maker.sample(few, seed, calls=calls), n, 3 if n == 1 else 2)
    given = Energies(energies, "--energies")
    whole = timed(lambda: generate_showers(maker, out, given, showers=len(energies), setting=setting), len(energies), 1)
    cost.milliseconds[str(len(energies))] = whole
    return cost


def trained(card: Card) -> str:
    """Minutes and steps of all phases of a training.

    Args:
        card: of the model.
    """
    phases = card.training.get("phases", [])
    minutes, steps = (sum(phase.get(key, 0) for phase in phases) for key in ("minutes", "steps"))
    return f"{minutes:.0f} min, {steps:,} steps"


def made(entry: Entry, place: Path, energies: Array) -> tuple[Path, Cost]:
    """The showers of an entry and their cost, made where they have not been.

    Args:
        entry: what to make them with.
        place: folder of the row.
        energies: incident energies, MeV.
    """
    if files.holds_showers(Path(entry.source)):
        return Path(entry.source), Cost()
    out, cost = place / "showers.parquet", place / "cost.json"
    if not cost.exists():
        given = energies[: entry.showers]
        if entry.source == SIMULATION:
            found = simulated(out, given)
        else:
            found = generated(entry.source, entry.calls, place / f"showers{_suffix(entry.source)}", given)
        cost.write_text(json.dumps(asdict(found)))
    return next(place.glob("showers.*")), Cost(**json.loads(cost.read_text()))


def _suffix(model: str) -> str:
    """Voxels that hold several cells have no hits to write."""
    voxels = load(model).trained.card.preset.voxels
    return ".h5" if load(model).trained.card.preset.family == "calo-voxels" and max(voxels.merge) > 1 else ".parquet"


def merged(source: Path, merging: str | None, target: Path) -> Path:
    """A file of showers with merged cells, made where it has not been.

    Args:
        source: with the finest cells, or with cells that are merged already.
        merging: cells along x, y and layers in one; None leaves the source as it is.
        target: the file.
    """
    if merging is None or source.suffix == ".h5":
        return source
    if not target.exists():
        merge_showers(source, target, read_merging(merging))
    return target


def judged(entry: Entry, chosen: argparse.Namespace, energies: Array) -> Row:
    """A row with what `evaluate` says of it.

    Args:
        entry: where its showers come from.
        chosen: options of the command.
        energies: incident energies of the reference, MeV.
    """
    place = chosen.work / entry.name.replace(" ", "-")
    place.mkdir(parents=True, exist_ok=True)
    showers, cost = made(entry, place, energies)
    report = place / "report"
    if not (report / "metrics.json").exists():
        showers = merged(showers, entry.merging, place / "merged.h5")
        reference = merged(chosen.reference, entry.merging, chosen.work / f"reference-{entry.merging}.h5")
        n = entry.showers or chosen.showers
        evaluate_shower_files(showers, reference, report, budget=chosen.budget, showers=n)
    document = ShowerDocument.model_validate_json((report / "metrics.json").read_bytes())
    return Row(entry, cost, document, report)


def number(value: float | None, digits: int = 3) -> str:
    """A number, or a dash.

    Args:
        value: the number.
        digits: significant ones.
    """
    return "–" if value is None else f"{value:.{digits}g}"


def scored(score: ScoreRecord, scale: float = 1.0) -> str:
    """Value, error and floor as text.

    Args:
        score: what was measured.
        scale: multiplies all three.
    """
    floor = "" if score.floor is None else f" ({scale * score.floor:.3g})"
    error = f" ± {scale * score.error:.1g}" if score.error else ""
    return f"{scale * score.value:.3g}{error}{floor}"


def worst_bin(bins: tuple[ResponseRecord, ...], quantity: str) -> str:
    """The largest difference in a bin of the energy, with its error, in per cent.

    Args:
        bins: response and resolution against energy.
        quantity: mean or resolution.
    """
    found = [
        (getattr(b, f"{quantity}_difference"), getattr(b, f"{quantity}_difference_error"))
        for b in bins
        if getattr(b, f"{quantity}_difference") is not None
    ]
    value, error = max(found, key=lambda pair: abs(pair[0]))
    return f"{100 * value:+.2f} ± {100 * error:.2f} %"


def cells(row: Row) -> Iterator[tuple[str, str]]:
    """Headings and cells of a row.

    Args:
        row: the row.
    """
    cost, document = row.cost, row.document
    metrics = {m.name: m for m in document.metrics}
    yield "parameters", "–" if cost.parameters is None else f"{cost.parameters:,}"
    yield "MB", number(cost.megabytes)
    yield "calls", cost.calls or "–"
    yield "training", cost.training or "–"
    for n in TIMED:
        yield f"ms at {n}", number(cost.milliseconds.get(str(n)))
    rest = [value for key, value in cost.milliseconds.items() if int(key) not in TIMED]
    yield "ms at all", number(rest[0] if rest else None)
    yield "cells", f"merged {row.entry.merging}" if row.entry.merging else "all"
    yield "showers", f"{document.settings.n:,}"
    for name in ("AUC, observables", "AUC, cells", "AUC, convolutions"):
        yield name, scored(metrics[name]) if name in metrics else "–"
    yield "FPD × 1000", scored(metrics["FPD"], 1e3)
    yield "KPD × 1000", scored(metrics["KPD"], 1e3)
    worst = max(document.separations, key=lambda s: s.value)
    yield "largest separation power", f"{worst.name}: {scored(worst)}"
    median = float(np.median([s.ratio for s in document.separations if s.ratio is not None]))
    yield "separation power / floor, median", f"{median:.2f}"
    for quantity, name in (("mean", "response"), ("resolution", "resolution")):
        yield f"{name}, largest difference", worst_bin(document.response, quantity)
    for name in MOVERS:
        yield f"EMD of {name}", scored(metrics[f"EMD of {name}"])


TEXT = """# Showers

Models of calorimeter showers beside the transport simulation that they learn from. The data set is
[calo-wsi](../datasets/calo-wsi/README.md): electrons of 0.5 to 20 GeV in 30 layers of tungsten and silicon with 32 x 32
pads, simulated with EGSnrc in about 48 ms per shower on one core. This page is made by

    python benchmarks/showers.py {entries}--reference {reference} --truth {truth} \\
        --showers {showers} --budget {budget}

All rows were given the incident energies of the reference. Numbers have their statistical errors, and in brackets the
floor: the same number for truth against truth at this number of showers. The row *truth against truth* is the training
set judged as if a model had made it. *Parametrised* is the classical fast simulation of this package
(`cloudchamber simulate showers`, after hep-ex/0001020), fitted to the training set by `benchmarks/shower_constants.py`.

- AUC: area under the ROC curve of boosted trees on {observables} observables (high level), of dense layers on all cells
  (low level) and of convolutions, as in arXiv:2410.21611; 0.5 is indistinguishable.
- Separation powers are those of the histograms of arXiv:2410.21611; response and resolution are compared in {bins} bins
  of the incident energy, and the largest difference stands here.
- EMD is the earth mover's distance.
- Times are milliseconds of CPU time per shower on one thread, when 1, 100 or all showers of the row are made at once;
  loading is excluded. Calls are network calls of each diffusion stage.
- Cells that are *merged 3x3x3* are 3 x 3 pads of 3 layers, in the reference too. What is merged is easier to get right,
  so such rows are for comparison with each other.

Rows of 20 minutes compare models at equal training time, each on a CPU core that other work shared:

    for preset in calo-wsi caloscore-v2-narrow calo-points; do
      cloudchamber train $preset --data datasets/calo-wsi/train --out runs/$preset --max-time 20m --precision float32
    done
    cloudchamber distill runs/caloscore-v2-narrow --data datasets/calo-wsi/train --out runs/v2-one \\
        --calls 1 --start 16 --max-time 10m --precision float32

`caloscore-v2-narrow` has a quarter of the channels of CaloScore v2: with all of them one core makes a step of training
in ten seconds and a shower of 512 calls in five seconds, so 20 minutes would be a hundred steps. Its row of 1 call is
the student of the last command. Rows of 80 minutes had an hour more, and their student a quarter of one:

    cloudchamber train caloscore-v2-narrow --init runs/caloscore-v2-narrow --data datasets/calo-wsi/train \\
        --out runs/caloscore-v2-longer --max-time 60m --precision float32
    cloudchamber distill runs/caloscore-v2-longer --data datasets/calo-wsi/train --out runs/v2-longer-one \\
        --calls 1 --start 16 --max-time 15m --precision float32

{table}
"""
FIGURE_TEXT = {
    "separations": "Separation powers over their floors.",
    "linearity": "Response and resolution against the incident energy.",
    "profiles": "Profiles along and across the axis in three ranges of the incident energy.",
    "displays": "Showers, each beside the simulated one of the nearest incident energy.",
}


def write_page(rows: list[Row], chosen: argparse.Namespace) -> None:
    """The page, its pictures, and the table.

    Args:
        rows: what was found.
        chosen: options of the command.
    """
    columns = [dict(cells(row)) for row in rows]
    headings = ["", *(row.entry.name for row in rows)]
    table = [[name, *(column[name] for column in columns)] for name in columns[0]]
    print_table("showers; in brackets truth against truth", headings, table, chosen.work / "table.md")
    document = rows[0].document
    text = TEXT.format(
        entries=" \\\n        ".join([*(shlex.quote(str(entry)) for entry in chosen.entries), ""]),
        reference=chosen.reference, truth=chosen.truth,
        showers=document.settings.n, budget=chosen.budget, table=(chosen.work / "table.md").read_text(),
        observables=len(document.importance), bins=len(document.response),
    )  # fmt: skip
    pictures = chosen.out / "showers"
    pictures.mkdir(parents=True, exist_ok=True)
    for row in rows:
        if row.entry.name == TRUTH or row.entry.merging:
            continue
        text += f"\n## {row.entry.name}\n\n{row.document.verdict.sentence}\n"
        for figure in FIGURES:
            name = f"{row.entry.name.replace(',', '').replace(' ', '-')}-{figure}.png"
            shutil.copyfile(row.report / "figures" / f"{figure}.png", pictures / name)
            text += f"\n{FIGURE_TEXT[figure]}\n\n![{FIGURE_TEXT[figure]}](showers/{name})\n"
    (chosen.out / "showers.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Make, judge, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("entries", nargs="*", type=Entry.parse, metavar="NAME=MODEL[:CALLS][@MERGING][#SHOWERS]|FILE")
    parser.add_argument("--reference", type=Path, default=Path("datasets/calo-wsi/test"))
    parser.add_argument("--truth", type=Path, default=Path("datasets/calo-wsi/train"))
    parser.add_argument("--showers", type=int, default=20_000)
    parser.add_argument("--budget", default="standard")
    parser.add_argument("--models-only", action="store_true", help="leave truth and parametrised simulation out")
    parser.add_argument("--work", type=Path, default=Path("showers"))
    parser.add_argument("--out", type=Path, default=Path("docs"))
    chosen = parser.parse_args()
    energies = files.read(chosen.reference, chosen.showers).incident_energy
    always = [] if chosen.models_only else [Entry(TRUTH, str(chosen.truth)), Entry(SIMULATION, SIMULATION)]
    write_page([judged(entry, chosen, energies) for entry in [*always, *chosen.entries]], chosen)


if __name__ == "__main__":
    main()
