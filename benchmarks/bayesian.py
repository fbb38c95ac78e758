"""Do the bands of a Bayesian model hold the truth, and do they grow where training events are few?

    cloudchamber simulate zjets --events 250000 --seed 11 --workers 2 --out zjets
    python benchmarks/bayesian.py --data zjets --folder runs/bayesian --docs docs

Small models of Z + jets are trained as `train` does it, on the first events of the data and on the same
events with a region of the first jet's |eta| thinned by ten. Each makes events of several draws of its weights
(as `generate --draws` does), with one, two and three jets apart. The rest of the data is the truth. For every bin of
thirty spectra, ten of each number of jets, all chosen before any was looked at,

    band = spread of the draws, less what their statistics make, and the error that the draws share, as it is seen in
           the training sample: what `evaluate --ensemble --training` draws (docs/uncertainty.md)
    pull = (mean of the draws - truth) / (band + statistics of both, in quadrature)

and the width of the pulls is their root mean square over bulk bins: those in which at least so many training events are
expected. At another temperature T the variances of weights, and so the squared spread of the draws, would be in
proportion to T where the prior hardly matters; the second table assumes that, the command measures one temperature.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from bayesian_page import draw_gap, draw_pulls, draw_spectra, page, write_page
from bayesian_spectra import JETS, KEPT, SPECTRA, Counted, gap_growth, gap_spectrum, in_the_gap, table_of_pulls
from numpy.typing import NDArray

from cloudchamber.data.split import split
from cloudchamber.events import Events
from cloudchamber.formats import parquet
from cloudchamber.models.bayesian import LogVariance
from cloudchamber.physics.zjets import JetEvents
from cloudchamber.recipes.config import Preset, Process, Sampling, Training, VectorStage
from cloudchamber.recipes.generation import Generator, load
from cloudchamber.recipes.machine import one_thread
from cloudchamber.recipes.sections import Weights
from cloudchamber.recipes.training import train_preset

Array = NDArray[np.float64]
BINS, TAIL = 20, 0.01
GAP_AXIS = (-3.5, 3.5, 15)
"""Ends and number of edges, for the first jet's pseudorapidity; bins of 0.5."""


VECTORS = {
    "diffusion": lambda width, depth: VectorStage(width=width, depth=depth, process=Process(times="uniform")),
    "jetgpt": lambda width, depth: VectorStage(
        model="jetgpt", azimuth="circle", muons="mass", threshold="edge", width=width, depth=depth, heads=4,
        components=24,
    ),
}  # fmt: skip


def preset(chosen: argparse.Namespace) -> Preset:
    """Small networks with the posterior of the options.

    Args:
        chosen: the options of the command.
    """
    weights = Weights(layers=chosen.layers, temperature=chosen.temperature, precision=chosen.precision,
                      log_variance=chosen.log_variance)  # fmt: skip
    return Preset(
        name="small-bayesian",
        description="Small networks of Z + jets with distributions of weights",
        level="stable",
        family="zjets",
        vector=VECTORS[chosen.model](chosen.width, chosen.depth),
        bayesian=weights,
        training=Training(
            batch_size=chosen.batch,
            learning_rate=2e-3,
            weight_decay=0.0,
            warm_up_steps=100,
            window=20 if chosen.model == "jetgpt" else 1,
            ema_decay=0.998,
            steps=chosen.steps,
        ),
        sampling=Sampling(calls=chosen.calls),
    )


def write_samples(chosen: argparse.Namespace) -> Events:
    """Write the training samples, full and thinned, and return the truth.

    Args:
        chosen: the options of the command.
    """
    shards = split(chosen.data)
    events = Events.concatenate([shard.read() for shard in [*shards.train, *shards.validation]])
    chosen.folder.mkdir(parents=True, exist_ok=True)
    training, truth = events[: chosen.events], events[chosen.events :]
    first = training.flat("pz"), np.hypot(training.flat("px"), training.flat("py"))
    place = np.concatenate([[0], np.cumsum(training.counts)[:-1]]) + 2
    eta = np.arcsinh(first[0][place] / first[1][place])
    inside = in_the_gap(eta)
    kept = ~inside | (np.cumsum(inside) % KEPT == 0)
    parquet.write(chosen.folder / "full.parquet", training)
    parquet.write(chosen.folder / "thinned.parquet", training[np.flatnonzero(kept)])
    return truth[: chosen.truth]


def trained(name: str, chosen: argparse.Namespace) -> Generator:
    """The model of a training sample; it is trained if it is not there.

    Args:
        name: full or thinned.
        chosen: the options of the command.
    """
    run = chosen.folder / f"run-{name}"
    if not (run / "last.pt").exists():
        train_preset(preset(chosen), chosen.folder / f"{name}.parquet", run, device="cpu", precision="float32",
                     seed=chosen.seed)  # fmt: skip
    return load(str(run))


def calls(chosen: argparse.Namespace) -> dict[str, int]:
    """The option of `sample` of a model with diffusion.

    Args:
        chosen: the options of the command.
    """
    return {"calls": chosen.calls} if chosen.model == "diffusion" else {}


def by_jets(events: Events) -> Mapping[int, JetEvents]:
    """Events with one, two and three jets apart.

    Args:
        events: a sample.
    """
    return {jets: JetEvents.of(events[np.flatnonzero(events.counts == 2 + jets)]) for jets in JETS}


def counts(values: Array, edges: Array) -> Array:
    """Events in each bin, and in all, shape (b + 1,).

    Args:
        values: one of each event.
        edges: of the bins.
    """
    return np.append(np.histogram(values, edges)[0], len(values)).astype(np.float64)


def drawn_counts(generator: Generator, chosen: argparse.Namespace, edges: Sequence[Array]) -> list[Array]:
    """Counts of every spectrum in events of every draw, each of shape (draws, b + 1).

    Args:
        generator: of the model.
        chosen: the options of the command.
        edges: of every spectrum.
    """
    rows: list[list[Array]] = [[] for _ in SPECTRA]
    for draw in range(chosen.draws):
        for jets in JETS:
            made = JetEvents.of(
                generator.sample(chosen.generated, 10 * draw + jets, draw=draw, jets=jets, **calls(chosen))
            )
            for row, spectrum, bins in zip(rows, SPECTRA, edges, strict=True):
                if spectrum.jets == jets:
                    row.append(counts(spectrum.values(made), bins))
    return [np.stack(row) for row in rows]


def compared(
    name: str, generator: Generator, truth: Mapping[int, JetEvents], chosen: argparse.Namespace
) -> list[Counted]:
    """All spectra of truth, training sample and draws; draws that were counted before are not made again.

    Args:
        name: of the training sample.
        generator: of the model.
        truth: events by the number of jets.
        chosen: the options of the command.
    """
    training = by_jets(parquet.read(chosen.folder / f"{name}.parquet"))
    true, seen = ([one.values(events[one.jets]) for one in SPECTRA] for events in (truth, training))
    edges = [np.linspace(*np.quantile(values, [TAIL, 1 - TAIL]), BINS + 1) for values in true]
    kept = chosen.folder / f"{name}.npz"
    if not kept.exists():
        with one_thread():
            np.savez(kept, *drawn_counts(generator, chosen, edges))
    made = list(np.load(kept).values())
    return [
        Counted(bins, counts(one, bins), counts(other, bins), draws)
        for bins, one, other, draws in zip(edges, true, seen, made, strict=True)
    ]


def gap(
    name: str, generator: Generator, edges: Array, truth: Mapping[int, JetEvents], chosen: argparse.Namespace
) -> Counted:
    """The first jet's pseudorapidity in events with one jet, of draws with larger variances.

    Args:
        name: of the training sample.
        generator: of its model.
        edges: of the bins.
        truth: events by the number of jets.
        chosen: the options of the command.
    """
    one = SPECTRA[gap_spectrum()]
    kept = chosen.folder / f"gap-{name}.npy"
    if not kept.exists():
        with torch.no_grad():
            for p in generator.trained.model.parameters():
                if isinstance(p, LogVariance):
                    p.add_(np.log(chosen.gap_hotter))
        rows = []
        with one_thread():
            for draw in range(chosen.draws):
                made = generator.sample(chosen.gap_events, 5_000 + draw, draw=draw, jets=1, **calls(chosen))
                rows.append(counts(one.values(JetEvents.of(made)), edges))
        np.save(kept, rows)
    seen = by_jets(parquet.read(chosen.folder / f"{name}.parquet"))[1]
    return Counted(edges, counts(one.values(truth[1]), edges), counts(one.values(seen), edges), np.load(kept))


def options() -> argparse.Namespace:
    """The options of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of `simulate zjets`")
    parser.add_argument("--folder", type=Path, required=True, help="for trainings, which are kept")
    parser.add_argument("--docs", type=Path, help="folder of bayesian.md and images; none to print only")
    parser.add_argument("--events", type=int, default=20_000, help="to train on")
    parser.add_argument("--truth", type=int, default=1_000_000, help="most events of the truth")
    parser.add_argument("--model", choices=VECTORS, default="diffusion")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--steps", type=int, default=5_000)
    parser.add_argument("--calls", type=int, default=12)
    parser.add_argument("--layers", default="last")
    parser.add_argument("--temperature", type=float, default=0.03)
    parser.add_argument("--precision", type=float, default=1.0)
    parser.add_argument("--log-variance", type=float, default=-11.0)
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--generated", type=int, default=5_000, help="events of each draw and number of jets")
    parser.add_argument("--gap-hotter", type=float, default=10, help="factor of the variances in the figure of the gap")
    parser.add_argument("--gap-events", type=int, default=15_000, help="events of each draw in that figure")
    parser.add_argument("--fewest", type=float, default=40, help="training events expected in a bulk bin")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Train, draw, compare, print and write."""
    chosen = options()
    truth = by_jets(write_samples(chosen))
    generators = {name: trained(name, chosen) for name in ("full", "thinned")}
    found = compared("full", generators["full"], truth, chosen)
    edges = np.linspace(*GAP_AXIS)
    full, thinned = (gap(name, one, edges, truth, chosen) for name, one in generators.items())
    rows, growth = table_of_pulls(found, chosen), gap_growth(full, thinned)
    text = page(rows, found, growth, chosen)
    print(text)
    found_all = {"rows": [row._asdict() for row in rows], "growth": growth}
    (chosen.folder / "bayesian.json").write_text(json.dumps(found_all, indent=2))
    if chosen.docs is not None:
        images = chosen.docs / "images"
        draw_spectra(found, images / "bayesian-spectra.png")
        draw_pulls(found, chosen, images / "bayesian-pulls.png")
        draw_gap(full, thinned, images / "bayesian-gap.png")
        write_page(text, chosen.docs)


if __name__ == "__main__":
    main()
