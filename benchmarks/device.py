"""Undecayed events per second of the fast model on one device, stage by stage, beside Pythia8 on all cores.

    python benchmarks/device.py --device cuda --events 262144 --batch 32768
    python benchmarks/device.py --device cpu --events 4096 --batch 2048

`networks` is what the device does: electrons, lists of species (drawn until they obey the laws), clouds in groups of
similar multiplicity. `host` decodes momenta, makes four-momentum exact and boosts to the lab on one core. The first
batch warms up and is not counted; the clock is read after the device has finished.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from table import Rate, print_rates

from cloudchamber.generate.pipeline import Pipeline, similar
from cloudchamber.generate.project import project
from cloudchamber.generate.species import Species
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.physics.dis import dis_variables
from cloudchamber.recipes.generation import GenerationSetting, load
from cloudchamber.recipes.machine import default_workers
from cloudchamber.recipes.simulation import simulate_folder
from cloudchamber.represent.cloud import to_lab
from cloudchamber.simulate.pythia import DISSetting
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng


class Clock:
    """Seconds of each stage.

    Args:
        device: whose work is waited for.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of a block of code for a stage.

        Args:
            name: of the stage.
        """
        began = time.perf_counter()
        yield
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


def clouds(pipeline: Pipeline, scores: torch.Tensor, species: Species, rng: EventRng) -> torch.Tensor:
    """Momentum scores on the host, shape (B, N, 3).

    Args:
        pipeline: of the model.
        scores: of the electrons, shape (B, 2).
        species: lists.
        rng: random streams, one for each event.
    """
    stage, solver = pipeline.model["cloud"], pipeline.solver
    assert isinstance(stage, Diffusion)
    counts = species.mask.sum(1)
    context = pipeline.representation.context(scores, counts)
    cloud = torch.zeros(*species.mask.shape, 3)
    with torch.autocast(torch.device(pipeline.device).type, torch.bfloat16, enabled=solver.precision == "bfloat16"):
        for rows in similar(counts):
            longest = int(counts[rows].max())
            part = species.select(rows, longest)
            given = Batch(torch.zeros(len(rows), longest, 3), torch.ones(len(rows)), context[rows], part.mask,
                          part.kinds, part.scores[..., None].float())  # fmt: skip
            made = stage.sample(given.to(pipeline.device), rng.select(rows.tolist()), solver.calls_of("cloud"),
                                solver.sampler)  # fmt: skip
            cloud[rows, :longest] = made.float().cpu()
    return cloud


@torch.no_grad()
def batch(pipeline: Pipeline, numbers: range, clock: Clock) -> None:
    """One batch of events.

    Args:
        pipeline: of the model.
        numbers: of the events.
        clock: counts the time of every stage.
    """
    table, solver = pipeline.representation, pipeline.solver
    rngs = [EventRng(1, numbers, stage, pipeline.device) for stage in range(3)]
    with clock.stage("electrons"):
        stage = pipeline.model["electron"]
        assert isinstance(stage, Diffusion)
        given = Batch(torch.zeros(len(numbers), table.electron.SIZE), torch.ones(len(numbers)))
        calls = solver.calls_of("electron")
        scores = stage.sample(given.to(pipeline.device), rngs[0], calls, solver.sampler).cpu()
    with clock.stage("host"):
        phi = np.random.default_rng(numbers.start).uniform(-np.pi, np.pi, len(numbers))
        scattered = table.electron.decode(scores, phi)
        good = np.flatnonzero(np.isfinite(scattered).all(1))
        scores, scattered = scores[torch.from_numpy(good)], scattered[good]
        W = np.sqrt(dis_variables(scattered, table.beams).W2)
        rngs = [rng.select(good.tolist()) for rng in rngs]
    with clock.stage("species"):
        species = pipeline.species.draw(scores, W, rngs[1]).species
    with clock.stage("clouds"):
        cloud = clouds(pipeline, scores, species, rngs[2])
    with clock.stage("host"):
        momentum, event = table.decode(cloud, species.kinds, species.masses, species.mask, scattered)
        momentum = project(momentum, species.masses[species.mask].numpy(), event, W).momentum
        to_lab(momentum, event, scattered, table.beams)


def pythia(events: int, workers: int) -> Rate:
    """Pythia8 on all cores.

    Args:
        events: how many.
        workers: processes.
    """
    setting = load("ep-dis-10x275-fast").trained.card.data
    assert setting.beams is not None
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        simulate_folder(DISSetting(setting.beams, 25.0), Path(folder), events=events, seed=1, workers=workers)
        return Rate(f"Pythia8, {workers} cores", events, time.perf_counter() - began)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ep-dis-10x275-fast")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--events", type=int, default=262_144)
    parser.add_argument("--batch", type=int, default=32_768)
    parser.add_argument("--workers", type=int, default=default_workers())
    chosen = parser.parse_args()
    pipeline = load(chosen.model, chosen.device).pipeline(GenerationSetting(seed=1, decay=False))
    assert isinstance(pipeline, Pipeline)
    batch(pipeline, range(chosen.batch), Clock(chosen.device))
    clock = Clock(chosen.device)
    for first in range(0, chosen.events, chosen.batch):
        batch(pipeline, range(first, min(first + chosen.batch, chosen.events)), clock)
    host = clock.seconds["host"]
    networks = sum(clock.seconds.values()) - host
    rates = [pythia(25_000 * chosen.workers, chosen.workers)]
    rates += [Rate(name, chosen.events, seconds) for name, seconds in clock.seconds.items()]
    rates += [Rate("networks", chosen.events, networks), Rate("networks and host", chosen.events, networks + host)]
    print_rates(f"{chosen.model} on {chosen.device}, undecayed, batches of {chosen.batch:,}", rates)


if __name__ == "__main__":
    main()
