r"""The log-density of events under a cascade, stage by stage.

    ln p(event) = ln p(electron) + ln P(species | e) - ln A(e) + ln p(cloud | e, species) + folding

The species' probability is that of the autoregressive model; A(e) corrects for the redrawing (`generate.species`), by a
fit (`generate.acceptance`). Electron and cloud follow the probability flow (`process.likelihood`). Measures, and what
folding adds, are those of `represent.density`: the density is that of the unordered event before the projection.

Events are scored one by one, whatever stands beside them, and none is lost:

    -inf    the model never makes such an event: a species that it does not know, forbidden charges, no room below W,
            an electron beyond the kinematic limits or more than six standard deviations outside of what it has learnt
    NaN     there is nothing to score: no scattered electron in front, a momentum that is not finite
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.events import Events
from cloudchamber.events.events import MOMENTUM_COLUMNS
from cloudchamber.generate.acceptance import AcceptanceModel
from cloudchamber.generate.pipeline import similar
from cloudchamber.generate.species import Species, SpeciesStage
from cloudchamber.models.autoregressive import MultisetModel
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.physics.dis import dis_variables
from cloudchamber.represent.cloud import CloudRepresentation, four_momenta
from cloudchamber.represent.density import Encoded, encode_with_densities
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng, Rng

__all__ = ["ScoreSolver", "Scorer", "Scores"]

_ELECTRON = 11
_REACH = 6.0
_STAGES = {"electron": 4, "cloud": 5}
"""Of the random streams; generation uses 0 to 3."""
_ELECTRON_STEPS = 8
"""At least; the electron's flow costs next to nothing."""

Array = NDArray[np.float64]


class Scores(NamedTuple):
    """Natural logarithms of each event, all of shape (B,); `log_density` is the sum of the five before it.

    Attributes:
        event: number of the event.
        electron: density in (ln Q2, ln y, azimuth in radians).
        species: probability of the list of species, before it is drawn again.
        conservation: -ln A(e), what drawing again until the laws are obeyed adds; -inf where the list is forbidden.
        cloud: density of the momenta in products of d^3p / E (GeV2), and of the masses of broad resonances (GeV).
        folding: density of what was folded, on its spheres and in the masses, less the lot's logarithm.
        log_density: of the event.
        conservation_error: standard error of `conservation`.
    """

    event: NDArray[np.int64]
    electron: Array
    species: Array
    conservation: Array
    cloud: Array
    folding: Array
    log_density: Array
    conservation_error: Array


@dataclass(frozen=True)
class ScoreSolver:
    """How the probability flow is followed.

    Attributes:
        divergence: from a random stream to how the divergence of the cloud's flow is computed.
        exact: the same for the electron's, which has two dimensions.
        steps: of the fourth-order Runge-Kutta method, four network calls each; the electron takes at least eight.
        power: more than 1 for more steps of the cloud near the data.
        cloud: score the cloud; NaN without.
    """

    divergence: Callable[[Rng], object]
    exact: Callable[[], object]
    steps: int
    power: float
    cloud: bool = True


class Scorer:
    """Scores events.

    Args:
        representation: events <-> tensors.
        model: a cascade with the stages electron, species and cloud.
        acceptance: of the species stage.
        solver: of the probability flow.
        seed: names the random streams, one for each event.
        device: where the networks run.
    """

    def __init__(
        self,
        representation: CloudRepresentation,
        model: Cascade,
        acceptance: AcceptanceModel,
        solver: ScoreSolver,
        *,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.representation, self.model, self.acceptance = representation, model.to(device), acceptance
        self.solver, self.seed, self.device = solver, seed, device
        self.stage = SpeciesStage(representation, model["species"], device)

    @torch.no_grad()
    def score(self, events: Events, first: int = 0) -> Scores:
        """The scores of some events.

        Args:
            events: final states with the model's beams.
            first: number of the first one.
        """
        numbers = np.arange(first, first + len(events))
        readable = _readable(events)
        columns = {name: np.full(len(events), np.nan) for name in Scores._fields[1:]}
        for name in Scores._fields[1:-1]:
            columns[name][readable] = -np.inf
        rows = np.flatnonzero(readable)
        if len(rows):
            some = events[rows]
            folded = self.representation.fold(some)
            known = self._known(folded)
            if known.any():
                made = self._score(some[known], folded[known], numbers[rows[known]])
                for name, values in made.items():
                    columns[name][rows[known]] = values
        parts = [columns[name] for name in ("electron", "species", "conservation", "cloud", "folding")]
        columns["log_density"] = np.sum(parts, axis=0)
        return Scores(numbers, **columns)

    def _known(self, folded: Events) -> NDArray[np.bool_]:
        """Events that the model can look at: its species, an electron that it may make, and some hadrons."""
        beams, table = self.representation.beams, self.representation
        strange = ~np.isin(folded.flat("pdg_id"), table.species.pdg_ids.numpy())
        strange[folded.offsets[:-1]] = False
        event = np.repeat(np.arange(len(folded)), folded.counts)
        good = np.bincount(event, strange, minlength=len(folded)) == 0
        longest = self.stage.stage.longest
        good &= (folded.counts > 1) & (folded.counts - 1 <= longest)
        scattered = four_momenta(folded.electron)
        v = dis_variables(scattered, beams)
        good &= (v.Q2 > 0) & (v.y > 0) & (v.y < 1) & (v.x < 1) & (v.W2 > 1)
        scores = torch.full((len(folded), 2), float("inf"))
        scores[torch.from_numpy(good)] = table.electron.encode(scattered[good])
        out: NDArray[np.bool_] = good & (scores.abs() < _REACH).all(1).numpy()
        return out

    def _score(self, events: Events, folded: Events, numbers: NDArray[np.int64]) -> dict[str, Array]:
        encoded = encode_with_densities(events, folded, self.representation)
        electron, species = encoded.rows["electron"], encoded.rows["species"]
        accepted = self.acceptance.log_prob(electron.x)
        lawful = self._lawful(encoded, folded)
        forbidden = torch.full_like(accepted.value, -torch.inf)
        stage = self.model["species"]
        assert isinstance(stage, MultisetModel)
        logs = {
            "electron": self._flow("electron", electron, numbers) + encoded.electron,
            "species": stage.log_prob(species.to(self.device)).cpu().double(),
            "conservation": torch.where(lawful, -accepted.value, forbidden),
            "cloud": self._clouds(encoded.rows["cloud"], numbers) + encoded.cloud,
            "folding": encoded.folding,
            "conservation_error": accepted.error,
        }
        return {name: value.numpy() for name, value in logs.items()}

    def _lawful(self, encoded: Encoded, folded: Events) -> Tensor:
        """Which lists obey the laws, shape (B,)."""
        W = np.sqrt(dis_variables(four_momenta(folded.electron), self.representation.beams).W2)
        part = encoded.rows["species"]
        assert part.mask is not None
        kinds = part.x[..., 0].long()
        masses = torch.zeros(kinds.shape, dtype=torch.float64)
        masses[:, 0] = encoded.masses  # only their sum matters
        return self.stage.lawful(Species(kinds, masses, masses, part.mask), W)

    def _clouds(self, rows: Batch, numbers: NDArray[np.int64]) -> Tensor:
        """Log-densities of the momentum scores, in groups of events of similar multiplicity."""
        out = torch.full((len(rows),), torch.nan, dtype=torch.float64)
        for group in similar(rows.lengths) if self.solver.cloud else ():
            out[group] = self._flow("cloud", rows.select(group).trim(), numbers[group.numpy()])
        return out

    def _flow(self, name: str, rows: Batch, numbers: NDArray[np.int64]) -> Tensor:
        """Log-densities of scores by the probability flow, shape (B,), float64."""
        stage, solver = self.model[name], self.solver
        assert isinstance(stage, Diffusion)
        rng = EventRng(self.seed, numbers.tolist(), _STAGES[name], self.device)
        small = name == "electron"
        divergence = solver.exact() if small else solver.divergence(rng)
        steps, power = (max(_ELECTRON_STEPS, solver.steps), 1.0) if small else (solver.steps, solver.power)
        given = replace(rows, weight=torch.ones_like(rows.weight)).to(self.device)
        made = stage.log_prob(given, divergence, steps=steps, power=power)  # type: ignore[arg-type]
        return made.cpu().double()


def _readable(events: Events) -> NDArray[np.bool_]:
    """Events of finite momenta with a scattered electron in front."""
    finite = np.ones(len(events), dtype=bool)
    event = np.repeat(np.arange(len(events)), events.counts)
    for name in MOMENTUM_COLUMNS:
        finite[event[~np.isfinite(events.flat(name))]] = False
    first = ak.to_numpy(ak.fill_none(ak.firsts(events.particles.pdg_id), 0))
    out: NDArray[np.bool_] = finite & (first == _ELECTRON)
    return out
