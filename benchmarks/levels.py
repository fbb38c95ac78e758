"""At which level to learn: before the decays, after them, or after them with what can be told folded back.

    python benchmarks/levels.py --primary primary --stable stable --reference reference --minutes 6 --out levels

Three whole models of the sizes of `ep-dis-10x275-stable` are trained from nothing for the same time, on the same events
at their level, and are judged by `evaluate` at the stable level, full acceptance. What has been made before is not made
again.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from table import print_table

from cloudchamber.evaluate.document import MetricsDocument
from cloudchamber.events import Level
from cloudchamber.recipes.config import Preset, load_preset
from cloudchamber.recipes.evaluation import evaluate_files
from cloudchamber.recipes.generation import GenerationSetting, generate_file, load
from cloudchamber.recipes.training import train_preset

VARIANTS: dict[str, dict[str, Any]] = {
    "before the decays": {"level": Level.PRIMARY, "fold_decays": False, "fold_resonances": False},
    "after, folded": {},
    "after, as they are": {"fold_decays": False, "fold_resonances": False},
}
SHOWN = ("AUC, observables", "AUC, particle cloud", "FPD", "sliced W1")


def preset_of(variant: str) -> Preset:
    """The preset of a variant, trained with gradients that are in effect not clipped.

    Args:
        variant: name in `VARIANTS`.
    """
    base = load_preset("ep-dis-10x275-stable")
    training = base.training.model_copy(update={"ema_decay": 0.998, "warm_up_steps": 100})
    return base.model_copy(update={"training": training, **VARIANTS[variant]})


def judged(variant: str, chosen: argparse.Namespace) -> MetricsDocument:
    """What `evaluate` says of a variant's events; trained and generated where that has not been done.

    Args:
        variant: name in `VARIANTS`.
        chosen: the options of the command.
    """
    run: Path = chosen.out / variant.replace(" ", "-").replace(",", "")
    preset = preset_of(variant)
    if not (run / "trained").exists():
        data = chosen.primary if preset.level is Level.PRIMARY else chosen.stable
        train_preset(preset, data, run, max_time=60 * chosen.minutes, seed=1)
        (run / "trained").touch()
    report, events = run / "report", run / "events.parquet"
    if not (report / "metrics.json").exists():
        setting = GenerationSetting(seed=1, calls=chosen.calls)
        generate_file(load(str(run)), events, events=chosen.events, setting=setting, workers=chosen.workers)
        evaluate_files(events, chosen.reference, report, budget=chosen.budget)
    return MetricsDocument.model_validate_json((report / "metrics.json").read_bytes())


def main() -> None:
    """Train, generate, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--primary", type=Path, required=True)
    parser.add_argument("--stable", type=Path, required=True)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--events", type=int, default=10_240)
    parser.add_argument("--calls", type=int, default=16)
    parser.add_argument("--budget", default="quick")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("levels"))
    chosen = parser.parse_args()
    rows, floors = [], [""]
    for variant in VARIANTS:
        document = judged(variant, chosen)
        found = {metric.name: metric for metric in document.metrics}
        shown = [f"{found[name].value:.4g} ± {found[name].error:.1g}" if name in found else "" for name in SHOWN]
        floors = [
            f"{floor:.4g}" if name in found and (floor := found[name].floor) is not None else "" for name in SHOWN
        ]
        ratios = [m.score.ratio for m in document.particles if m.score is not None and m.score.ratio is not None]
        rows.append([variant, *shown, f"{np.median(ratios):.2f}", f"{max(ratios):.1f}"])
    rows.append(["truth against truth", *floors, "1", ""])
    title = f"{chosen.minutes:g} minutes of training each, {chosen.events:,} events, {chosen.calls} calls"
    print_table(title, ["learnt", *SHOWN, "W1 / floor, median", "worst"], rows, chosen.out / "table.md")


if __name__ == "__main__":
    main()
