"""A cascade without training: marginals of a simulated sample, and species lists taken from it."""

from typing import Any

import awkward as ak
import numpy as np
import torch
from torch import Tensor, nn

from cloudchamber.events import Events, Level
from cloudchamber.models.autoregressive import MultisetModel, Sequences
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.nets.mlp import VectorNet
from cloudchamber.nets.transformer import SetTransformer
from cloudchamber.physics.pdg import quantum_table
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.schedule import Rectified
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng

PRIMARY_COLUMNS = (2, 3, 4, 5, 6, 7, 8, 9)
"""Lepton numbers and net flavours, as in `physics.pdg.quantum_table`."""
STABLE_COLUMNS = (0, 1, 2, 3, 4)
"""Charge, baryon and lepton numbers."""


class SpeciesOfSample(MultisetModel):
    """Draws the species of simulated events; at its first call the lists of the rows in `spoilt` have no end."""

    def __init__(self, representation: CloudRepresentation, sample: Events, spoilt: tuple[int, ...] = ()) -> None:
        columns = STABLE_COLUMNS if sample.run.level is Level.STABLE else PRIMARY_COLUMNS
        charges = torch.from_numpy(representation.species.charges(columns))
        total = torch.from_numpy(quantum_table([2212])[0, list(columns)])
        super().__init__(charges, total, context=3, width=8, depth=1)
        index = representation.species.index(ak.to_numpy(ak.flatten(sample.hadronic.pdg_id)))
        counts = torch.from_numpy(sample.counts - 1)
        self.lists = [list_.sort().values for list_ in torch.from_numpy(index).split(counts.tolist())]
        self.spoilt, self.called = list(spoilt), 0

    def sample(self, given: Batch, rng: Rng) -> Sequences:
        chosen = (rng.uniform() * len(self.lists)).long().tolist()
        lists = [self.lists[number] for number in chosen]
        whole = torch.ones(len(lists), dtype=torch.bool)
        whole[self.spoilt if self.called == 0 else []] = False
        self.called += 1
        mask = torch.arange(max(map(len, lists))) < torch.tensor([len(list_) for list_ in lists])[:, None]
        kinds = torch.zeros(mask.shape, dtype=torch.long)
        kinds[mask] = torch.cat(lists)
        return Sequences(kinds, mask, whole)


class Mixing(nn.Module):
    """A velocity that depends on all particles, on time and on the event, so that nothing can be mixed up unseen."""

    def __init__(self, representation: CloudRepresentation) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.net = SetTransformer(3, len(representation.species), context=4, token_context=1, width=16, depth=1)
        for parameter in self.net.parameters():
            nn.init.normal_(parameter, std=0.05)

    def forward(self, *given: Any) -> Tensor:  # noqa: ANN401
        out: Tensor = self.net(*given)
        return out


def toy_cascade(representation: CloudRepresentation, sample: Events, spoilt: tuple[int, ...] = ()) -> Cascade:
    with torch.random.fork_rng():
        stages = {
            "electron": Diffusion(Denoiser(_Still(), Rectified())),
            "species": SpeciesOfSample(representation, sample, spoilt),
            "cloud": Diffusion(Denoiser(Mixing(representation), Rectified())),
        }
    return Cascade(stages).eval()


class _Still(VectorNet):
    """Velocity zero: noise stays the unit normal that the electron's scores are."""

    def __init__(self) -> None:
        super().__init__(2, width=8, depth=1)
        nn.init.zeros_(self.outputs.weight)
        nn.init.zeros_(self.outputs.bias)


def rows_equal(a: Events, b: Events, rows: np.ndarray) -> bool:
    return all(np.array_equal(a[rows].flat(name), b[rows].flat(name)) for name in a.columns)
