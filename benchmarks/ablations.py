r"""What each choice in the cloud stage is worth at equal training time.

    python benchmarks/ablations.py --base ep-dis-10x275 --data primary --reference reference --minutes 5 --out ablations

Every variant differs from the first in one choice. Its cloud stage is trained from nothing for the same time on the
same events, between the electron and species stages of one model that is trained already, so nothing else differs.
`maps` replaces the quantile maps of every species by the same scale for all: pT / s and (y - m) / s of the scaled
rapidity y. `no projection` samples the first variant without making four-momentum exact. All are judged by `evaluate`
against the same reference, full acceptance; what has been made before is not made again.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from table import print_table

from cloudchamber.evaluate.document import MetricsDocument
from cloudchamber.events import Events
from cloudchamber.formats import files
from cloudchamber.recipes.config import Preset
from cloudchamber.recipes.evaluation import evaluate_files
from cloudchamber.recipes.generation import GenerationSetting, generate_file, load
from cloudchamber.recipes.store import RUN_CARD, TrainedModel, load_model, read_card, save_model
from cloudchamber.recipes.training import train_preset
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.tensors.bijections import TabulatedMap

BASE = "as shipped"
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    BASE: {},
    "maps": {},
    "edge convolutions": {"cloud": {"neighbours": 8}},
    "pair masses": {"cloud": {"pairs": True}},
    "width 64": {"cloud": {"width": 64}},
    "width 192": {"cloud": {"width": 192}},
    "depth 3": {"cloud": {"depth": 3}},
    "depth 8": {"cloud": {"depth": 8}},
    "Lion": {"training": {"optimizer": "lion", "betas": (0.95, 0.99), "learning_rate": 3e-4}},
    "cosine path, v": {"process": {"schedule": "cosine", "target": "v", "times": "uniform"}},
    "no projection": {},
}
SHOWN = ("AUC, observables", "AUC, particle cloud", "FPD", "sliced W1")


def preset_of(base: Preset, variant: str) -> Preset:
    """The base with the choices of a variant, trained with gradients that are in effect not clipped.

    Args:
        base: of the model whose other stages are used.
        variant: name in `VARIANTS`.
    """
    changes = VARIANTS[variant]
    process = base.cloud.process.model_copy(update=changes.get("process", {}))
    cloud = base.cloud.model_copy(update={"process": process, **changes.get("cloud", {})})
    common = {"clip_norm": 1000.0, "ema_decay": 0.998, "warm_up_steps": 100}
    training = base.training.model_copy(update=common | changes.get("training", {}))
    return base.model_copy(update={"cloud": cloud, "training": training})


def with_one_scale(model: TrainedModel, events: Events) -> CloudRepresentation:
    """The representation of a model with straight maps that are the same for all species.

    Args:
        model: whose maps to straighten.
        events: of its level; the scales are fitted to them.
    """
    given = model.representation
    assert isinstance(given, CloudRepresentation)
    bundle = given.encode(events)["cloud"]
    assert bundle.mask is not None
    assert bundle.tokens is not None
    row = given.pool[bundle.tokens[bundle.mask]]
    u = bundle.x[bundle.mask].double()
    pt = given.transverse.inverse(u[:, :2].norm(dim=1), row)
    scaled = given.longitudinal.inverse(u[:, 2], row)
    scale, mean, spread = (float(v) for v in (pt.square().mean().sqrt() / np.sqrt(2), scaled.mean(), scaled.std()))
    zero = torch.zeros(1)
    return CloudRepresentation(
        given.electron,
        given.species,
        torch.zeros_like(given.pool),
        TabulatedMap(torch.tensor([[0.0, scale, 2 * scale]]), zero, zero + 2),
        TabulatedMap(torch.tensor([[mean - spread, mean, mean + spread]]), zero - 1, zero + 1),
        folding=given.folding,
    )


def trained(variant: str, chosen: argparse.Namespace) -> Path:
    """The run of a variant, trained where it has not been.

    Args:
        variant: name in `VARIANTS`.
        chosen: the options of the command.
    """
    run: Path = chosen.out / variant.replace(" ", "-").replace(",", "")
    if (run / "trained").exists():
        return run
    base, init = load_model(chosen.base), chosen.base
    if variant == "maps":
        init = str(chosen.out / "straight.safetensors")
        representation = with_one_scale(base, files.read(chosen.data, 20_000))
        save_model(Path(init), base.model, representation, base.card)
    train_preset(preset_of(base.card.preset, variant), chosen.data, run, init=init, only="cloud", anew=True,
                 max_time=60 * chosen.minutes, precision=chosen.precision, seed=1)  # fmt: skip
    (run / "trained").touch()
    return run


def judged(variant: str, chosen: argparse.Namespace) -> MetricsDocument:
    """What `evaluate` says of a variant's events.

    Args:
        variant: name in `VARIANTS`.
        chosen: the options of the command.
    """
    projected = variant != "no projection"
    run = trained(variant if projected else BASE, chosen)
    place = run if projected else chosen.out / "no-projection"
    report, events = place / "report", place / "events.parquet"
    if not (report / "metrics.json").exists():
        setting = GenerationSetting(seed=1, calls=chosen.calls, project=projected)
        place.mkdir(exist_ok=True)
        generate_file(load(str(run)), events, events=chosen.events, setting=setting, workers=chosen.workers)
        evaluate_files(events, chosen.reference, report, budget=chosen.budget)
    return MetricsDocument.model_validate_json((report / "metrics.json").read_bytes())


def events_seen(variant: str, chosen: argparse.Namespace) -> str:
    """How many events the cloud stage of a variant saw in its time, in thousands.

    Args:
        variant: name in `VARIANTS`.
        chosen: the options of the command.
    """
    phase = read_card(trained(variant if variant != "no projection" else BASE, chosen) / RUN_CARD).training["phases"][
        -1
    ]
    return f"{phase['steps'] * phase['settings']['batch_size'] / 1e3:.0f}"


def row(document: MetricsDocument) -> list[str]:
    """The numbers of a variant, as text.

    Args:
        document: what `evaluate` says.
    """
    found = {metric.name: metric for metric in document.metrics}
    cells = [f"{found[name].value:.4g} ± {found[name].error:.1g}" if name in found else "" for name in SHOWN]
    ratios = [m.score.ratio for m in document.particles if m.score is not None and m.score.ratio is not None]
    return [*cells, f"{np.median(ratios):.2f}", f"{max(ratios):.1f}"]


def main() -> None:
    """Train, generate, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="ep-dis-10x275")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--events", type=int, default=10_240)
    parser.add_argument("--calls", type=int, default=16)
    parser.add_argument("--budget", default="quick")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--out", type=Path, default=Path("ablations"))
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    title = f"{chosen.minutes:g} minutes of training each, {chosen.events:,} events, {chosen.calls} calls"
    rows: list[list[str]] = []
    floors: list[str] = []
    for variant in chosen.variants:
        document = judged(variant, chosen)
        rows.append([variant, events_seen(variant, chosen), *row(document)])
        found = {metric.name: metric.floor for metric in document.metrics}
        floors = floors or [f"{found[name]:.4g}" if found.get(name) is not None else "" for name in SHOWN]
    rows.append(["truth against truth", "", *floors, "1", ""])
    print_table(
        title, ["variant", "thousand events seen", *SHOWN, "W1 / floor, median", "worst"], rows, chosen.out / "table.md"
    )


if __name__ == "__main__":
    main()
