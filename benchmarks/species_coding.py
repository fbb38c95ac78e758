"""Species as what they are, categories, or as diffused one-hot numbers: both trained for the same time.

    python benchmarks/species_coding.py --base ep-dis-10x275 --data primary --minutes 3 --out coding

`categorical` is the autoregressive model of this package, from nothing. `diffused` does as arXiv:2410.22421 does: every
particle carries one number for each species, 1 for its own and 0 for all others (here shifted and scaled to mean zero
and variance one), which flow matching learns and whose largest is taken after sampling. It uses the set transformer of
the cloud stage and, which is generous, is told the true number of particles. Both are judged on the lists that they
draw once for the electrons of held-out events: how many carry the proton's net flavours, and multiplicities of species.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from table import print_table
from torch import Tensor, nn

from cloudchamber.data.split import Shard, split
from cloudchamber.events import Events
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.nets.transformer import SetTransformer
from cloudchamber.recipes.build import build_model
from cloudchamber.recipes.fit import FitOptions, fit
from cloudchamber.recipes.process import make_denoiser, make_objective
from cloudchamber.recipes.store import TrainedModel, load_model
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng, RowRng

_BLOCK = 256
_FEWEST = 30
"""Expected particles of a species that counts for the pulls."""


class Diffused(nn.Module):
    """Species as one-hot numbers under a diffusion model.

    Args:
        model: of one vector for each particle.
        species: how many there are.
    """

    def __init__(self, model: Diffusion, species: int) -> None:
        super().__init__()
        self.model, self.species = model, species

    def losses(self, rows: Batch, rng: Rng) -> Mapping[str, Tensor]:
        """Those of the diffusion model.

        Args:
            rows: x (B, N, 1) species, mask, context.
            rng: random stream.
        """
        hot = nn.functional.one_hot(rows.x[..., 0], self.species).float()
        scaled = (hot * self.species - 1) / (self.species - 1) ** 0.5
        return self.model.losses(self.given(rows, scaled), rng)

    def given(self, rows: Batch, x: Tensor) -> Batch:
        """A batch with x and nothing known of the particles but their number.

        Args:
            rows: mask and context.
            x: shape (B, N, S).
        """
        assert rows.mask is not None
        assert rows.context is not None
        number = torch.log(rows.mask.sum(1, keepdim=True).float() / 10)
        context = torch.cat([rows.context, number], dim=1)
        return Batch(x * rows.mask[..., None], rows.weight, context, rows.mask, torch.zeros_like(rows.x[..., 0]))

    def sample(self, rows: Batch, rng: Rng, calls: int) -> Tensor:
        """Species, shape (B, N).

        Args:
            rows: mask and context.
            rng: random stream.
            calls: network calls.
        """
        shape = torch.zeros(*rows.x.shape[:2], self.species)
        return self.model.sample(self.given(rows, shape), rng, calls).argmax(-1)


class Lists(NamedTuple):
    """Species and mask of each event, shape (B, N) each, and seconds that they took."""

    kinds: Tensor
    mask: Tensor
    seconds: float


def make(coding: str, base: TrainedModel, representation: CloudRepresentation) -> nn.Module:
    """An untrained model of the lists.

    Args:
        coding: `categorical` or `diffused`.
        base: its preset says all sizes.
        representation: knows the species.
    """
    if coding == "categorical":
        return build_model(base.card.preset, representation).stages["species"]
    cloud, kinds = base.card.preset.cloud, len(representation.species)
    net = SetTransformer(kinds, 1, representation.CONTEXT, width=cloud.width, depth=cloud.depth, heads=cloud.heads,
                         expansion=cloud.expansion)  # fmt: skip
    return Diffused(Diffusion(make_denoiser(cloud.process, net), make_objective(cloud.process)), kinds)


def drawn(stage: nn.Module, rows: Batch, first: int, calls: int) -> tuple[Tensor, Tensor]:
    """Lists drawn once, with their mask.

    Args:
        stage: a trained model.
        rows: species with mask and context.
        first: number of the first event.
        calls: network calls of the diffusion model.
    """
    rng = RowRng((1, first), len(rows.x))
    if isinstance(stage, Diffused):
        assert rows.mask is not None
        return stage.sample(rows, rng, calls), rows.mask
    sequences = stage.sample(rows, rng)  # type: ignore[operator]
    return sequences.kinds, sequences.mask


def lists(stage: nn.Module, representation: CloudRepresentation, events: Events, calls: int) -> Lists:
    """Lists for the electrons of events.

    Args:
        stage: a trained model.
        representation: encodes the events.
        events: held out.
        calls: network calls of the diffusion model.
    """
    stage.eval()
    made, began = [], time.perf_counter()
    with torch.no_grad():
        for first in range(0, len(events), _BLOCK):
            rows = representation.encode(events[first : first + _BLOCK])["species"]
            made.append(drawn(stage, rows, first, calls))
    longest = max(kinds.shape[1] for kinds, _ in made)
    padded = [[nn.functional.pad(part, (0, longest - part.shape[1])) for part in pair] for pair in made]
    kinds, mask = (torch.cat(parts) for parts in zip(*padded, strict=True))
    return Lists(kinds, mask, time.perf_counter() - began)


def pulls(found: NDArray[np.int64], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """Differences of the numbers of each frequent species over their Poisson errors.

    Args:
        found: numbers of each species, shape (S,).
        truth: the same of the held-out events.
    """
    frequent = truth >= _FEWEST
    difference = found[frequent] - truth[frequent]
    return np.asarray(difference / np.sqrt(found[frequent] + truth[frequent]))


def row(coding: str, chosen: argparse.Namespace, base: TrainedModel, events: Events) -> list[str]:
    """Train one coding and judge it.

    Args:
        coding: `categorical` or `diffused`.
        chosen: the options of the command.
        base: its preset and representation.
        events: held out.
    """
    representation = base.representation
    assert isinstance(representation, CloudRepresentation)
    torch.manual_seed(1)
    stage = make(coding, base, representation)
    common = {"clip_norm": 1000.0, "ema_decay": 0.998, "warm_up_steps": 100}
    training = base.card.preset.training.model_copy(update=common)
    options = FitOptions(max_time=60 * chosen.minutes, seed=1, precision=chosen.precision)
    whole = Cascade({"species": stage})
    result = fit(whole, representation, split(chosen.data), training, options, out=chosen.out / coding, resume=False)
    made = lists(stage, representation, events, chosen.calls)
    charges = build_model(base.card.preset, representation).stages["species"]
    carried = (charges.charges[made.kinds] * made.mask[..., None]).sum(1)  # type: ignore[index]
    lawful = (carried == charges.total).all(-1).double().mean().item()  # type: ignore[union-attr]
    size = len(representation.species)
    truth = representation.species.index(ak.to_numpy(ak.flatten(events.hadronic.pdg_id)))
    pull = pulls(np.bincount(made.kinds[made.mask].numpy(), minlength=size), np.bincount(truth, minlength=size))
    return [coding, f"{result.step:,}", f"{100 * lawful:.1f} %", f"{np.sqrt(np.mean(pull**2)):.1f}",
            f"{np.abs(pull).max():.0f}", f"{1e3 * made.seconds / len(events):.2f}"]  # fmt: skip


def main() -> None:
    """Train, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="ep-dis-10x275")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--events", type=int, default=20_480)
    parser.add_argument("--calls", type=int, default=16)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--out", type=Path, default=Path("coding"))
    chosen = parser.parse_args()
    base = load_model(chosen.base)
    shards: list[Shard] = list(split(chosen.data).validation)
    events = Events.concatenate([shard.read() for shard in shards])[: chosen.events]
    rows = [row(coding, chosen, base, events) for coding in ("categorical", "diffused")]
    title = f"{chosen.minutes:g} minutes of training each, lists for {len(events):,} held-out events"
    columns = ["coding", "steps", "right flavours at once", "rms pull of multiplicities", "largest", "ms / list"]
    print_table(title, columns, rows, chosen.out / "table.md")


if __name__ == "__main__":
    main()
