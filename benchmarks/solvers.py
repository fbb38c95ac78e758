r"""How far each solver ends from the exact end of the same path, on a trained cloud stage.

    python benchmarks/solvers.py --model ep-dis-10x275 --data primary --events 1500

All solvers start from the same noise, for the electrons and species of true events; the exact end is that of 128 calls
of Heun's method with more steps near the data. The error is the root mean square over the scores of all particles,
which have unit variance; the bias is that of the transverse score's length, of all particles and of those above 2.5,
where the hard jets are.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from cloudchamber.formats import files
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.process.ode import AdamsBashforth, DPMSolver, Euler, Heun, Midpoint
from cloudchamber.process.sampler import sample
from cloudchamber.process.step import Sampler
from cloudchamber.recipes.store import load_model
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng

GROUP, EXACT, HARD = 128, 128, 2.5
CALLS = (4, 6, 8, 12, 16, 32)
SOLVERS: Mapping[str, Sampler] = {
    "heun": Heun(),
    "heun, power 1.5": Heun(1.5),
    "midpoint": Midpoint(),
    "euler": Euler(),
    "dpm++2m": DPMSolver(),
    "adams-bashforth, order 2": AdamsBashforth(2),
    "adams-bashforth": AdamsBashforth(),
    "adams-bashforth, order 4": AdamsBashforth(4),
}


def ends(stage: Diffusion, given: Batch, solver: Sampler, calls: int) -> Tensor:
    """Scores of all particles where the solver ends, shape (n, 3).

    Args:
        stage: of the cloud.
        given: conditions of all events, sorted by multiplicity.
        solver: what to follow the path with.
        calls: of the network.
    """
    assert given.mask is not None
    found = []
    for rows in torch.arange(len(given.weight)).split(GROUP):
        part = given.select(rows).trim()
        made = sample(stage.denoiser, part, EventRng(1, rows.tolist()), calls, solver)
        assert part.mask is not None
        found.append(made[part.mask])
    return torch.cat(found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ep-dis-10x275")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--events", type=int, default=1_500)
    chosen = parser.parse_args()
    torch.set_grad_enabled(False)
    trained = load_model(chosen.model)
    stage = trained.model["cloud"]
    assert isinstance(stage, Diffusion)
    given = trained.representation.encode(files.read(chosen.data, chosen.events))["cloud"]
    assert given.mask is not None
    given = given.select(torch.argsort(given.mask.sum(1), stable=True))
    exact = ends(stage, given, Heun(1.5), EXACT)
    length = exact[:, :2].norm(dim=1)
    table = Table("solver", "calls", "error", "bias of the length", f"bias above {HARD}",
                  title=f"{chosen.model}, {len(given.weight):,} events, {len(exact):,} particles")  # fmt: skip
    for name, solver in SOLVERS.items():
        for calls in CALLS:
            made = ends(stage, given, solver, calls)
            bias = made[:, :2].norm(dim=1) - length
            table.add_row(name, str(calls), f"{(made - exact).pow(2).mean().sqrt():.4f}", f"{bias.mean():+.4f}",
                          f"{bias[length > HARD].mean():+.4f}")  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
