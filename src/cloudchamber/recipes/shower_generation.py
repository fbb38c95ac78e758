"""Wiring of a generation run of showers: a trained model and incident energies in, a file of showers out.

Blocks of 128 showers are independent, so they are made by any number of worker processes and written in their order.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from cloudchamber import __version__
from cloudchamber.errors import InputError, require
from cloudchamber.events import RunInfo, Showers, exact
from cloudchamber.formats import showers as files
from cloudchamber.generate.pipeline import Solver
from cloudchamber.generate.showers import BLOCK
from cloudchamber.recipes.families import ShowerBlocks, family_of
from cloudchamber.recipes.generation_setting import GenerationSetting
from cloudchamber.recipes.machine import multiplies_bfloat16, one_thread
from cloudchamber.recipes.ordered import in_order
from cloudchamber.recipes.store import TrainedModel, load_stored
from cloudchamber.recipes.workers import exit_on_sigterm, keep_freed_memory

__all__ = ["Energies", "ShowerGenerator", "generate_showers", "read_energies"]


Array = NDArray[np.float64]


@dataclass(frozen=True)
class Energies:
    """Incident energies in MeV, and how they were given.

    Attributes:
        values: at least as many as showers are wanted, shape (n,).
        flag: the option of the command line.
    """

    values: Array
    flag: str

    @classmethod
    def constant(cls, energy: float, showers: int) -> "Energies":
        """The same energy for all showers.

        Args:
            energy: GeV.
            showers: how many.

        Raises:
            InputError: if it is not a positive number.
        """
        require(bool(np.isfinite(energy) and energy > 0), f"--energy {energy:g} is impossible: give GeV above 0.")
        return cls(np.full(showers, energy * 1e3), f"--energy {exact(energy)}")

    def of_block(self, number: int) -> Array:
        """Energies of the showers of a block; the last one again after the end, shape (128,).

        Args:
            number: the block's number.
        """
        index = np.arange(number * BLOCK, (number + 1) * BLOCK).clip(max=len(self.values) - 1)
        chosen: Array = self.values[index]
        return chosen


def read_energies(path: Path) -> Energies:
    """Incident energies of a text file, GeV, one a line.

    Args:
        path: the file.

    Raises:
        InputError: if it is missing, empty, or a line is no positive number.
    """
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the energies '{path}' cannot be read ({type(error).__name__}); give a text file.") from None
    values = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            values.append(float(line))
        except ValueError:
            values.append(np.nan)
        if not (np.isfinite(values[-1]) and values[-1] > 0):
            raise InputError(f"line {number} of '{path}' is no energy in GeV above 0: '{line[:40]}'.")
    require(bool(values), f"'{path}' holds no energies; write one in GeV a line.")
    return Energies(np.array(values) * 1e3, f"--energies {path.name}")


@dataclass(frozen=True)
class ShowerGenerator:
    """A model that makes showers.

    Attributes:
        name: how the model was named when it was loaded.
        trained: weights, maps and card.
        device: where the networks run.
    """

    name: str
    trained: TrainedModel
    device: str = "cpu"

    def sample(self, incident: Sequence[float] | Array, seed: int = 0, **options: object) -> Showers:
        """Showers in memory.

        Args:
            incident: incident energies, GeV, one for each shower.
            seed: names the random streams.
            **options: `calls`, `sampler` and `precision`, see `GenerationSetting`.

        Raises:
            InputError: if an energy or an option is impossible.
        """
        values = np.asarray(incident, dtype=np.float64) * 1e3
        require(values.ndim == 1 and bool((values > 0).all()) and len(values) > 0, "give energies in GeV above 0.")
        setting = GenerationSetting.of(seed, dict(options))
        energies = Energies(values, "")
        self.require_range(energies)
        return Showers.concatenate(list(_blocks(self, setting, energies, len(values), workers=1)))[: len(values)]

    def pipeline(self, setting: GenerationSetting, run: RunInfo) -> ShowerBlocks:
        """The machinery that makes the blocks of a run.

        Args:
            setting: what to generate.
            run: metadata of the showers.
        """
        make, representation = family_of(self.trained.card.preset).showers, self.trained.representation
        assert make is not None
        model = self.trained.drawn(setting.draw).model
        return make(representation, model, run, solver=self.solver(setting), device=self.device)

    def solver(self, setting: GenerationSetting) -> Solver:
        """How the stages are sampled; --calls overrides what the preset says of any stage.

        Args:
            setting: what to generate.
        """
        sampling = self.trained.card.preset.sampling
        stage_calls = sampling.stage_calls if setting.calls is None else {}
        stage_samplers = sampling.stage_samplers if setting.sampler is None else {}
        precision: Literal["float32", "bfloat16"] = (
            ("bfloat16" if self._rounds else "float32") if setting.precision == "auto" else setting.precision
        )
        return Solver(
            setting.calls or sampling.calls, setting.sampler or sampling.sampler, True, precision, stage_calls,
            stage_samplers,
        )  # fmt: skip

    @property
    def _rounds(self) -> bool:
        """Whether bfloat16 is faster: not for hits one after the other, whose matrix products are small."""
        one_by_one = self.trained.card.preset.family == "calo" and self.trained.card.preset.shower.cells is not None
        return multiplies_bfloat16(self.device) and not one_by_one

    def run_info(self, setting: GenerationSetting, energies: Energies) -> RunInfo:
        """Metadata of a sample.

        Args:
            setting: what to generate.
            energies: of the showers.
        """
        card, solver = self.trained.card, self.solver(setting)
        calls = "" if setting.calls is None else f" --calls {solver.calls}"
        calls += "" if setting.draw is None else f" --draw {setting.draw}"
        command = f"cloudchamber generate --model {self.name} {energies.flag} --seed {setting.seed}{calls}"
        stages = tuple(f"calls of {stage} {number}" for stage, number in solver.stage_calls.items())
        return card.data.with_(
            generator="cloudchamber",
            generator_version=__version__,
            settings=(f"model {card.preset.name}", f"calls {solver.calls}", *stages, f"precision {solver.precision}"),
            seed=setting.seed,
            provenance={
                "command": f"{command} --sampler {solver.sampler} --precision {solver.precision}",
                "package": f"cloudchamber {__version__}",
                "model": card.preset.name,
                "model_sha256": self.trained.digest,
                "trained_on": f"{card.data.generator} {card.data.generator_version}",
            },
        )

    def require_range(self, energies: Energies) -> None:
        """Refuse energies that the model has not learnt.

        Args:
            energies: of the showers.

        Raises:
            InputError: if there is such an energy.
        """
        low, high = self.trained.card.domain["incident_energy_GeV"]
        values = energies.values / 1e3
        bad = values[(values < low * (1 - 1e-3)) | (values > high * (1 + 1e-3))]
        if len(bad):
            raise InputError(
                f"an incident energy of {bad[0]:g} GeV is outside of what the model has learnt; give {low:g} to "
                f"{high:g} GeV."
            )


def generate_showers(
    generator: ShowerGenerator,
    out: Path,
    energies: Energies,
    *,
    showers: int,
    setting: GenerationSetting,
    workers: int = 1,
    advance: Callable[[int], None] = lambda made: None,
) -> int:
    """Generate a file of showers, streamed with bounded memory.

    Args:
        generator: a loaded model.
        out: the file to make; its suffix picks the format.
        energies: at least as many as showers.
        showers: how many.
        setting: what to generate.
        workers: processes to use.
        advance: told how many showers have been written.

    Returns:
        Number of hits.

    Raises:
        InputError: if a number is impossible or the file cannot be written.
    """
    require(workers > 0, f"--workers {workers} is impossible: give a positive number.")
    generator.require_range(energies)
    hits, left = 0, showers
    blocks = _blocks(generator, setting, energies, showers, workers)
    with exit_on_sigterm(), files.open_writer(out, generator.run_info(setting, energies)) as writer:
        for block in blocks:
            part = block[: min(left, len(block))]
            writer.write(part)
            hits, left = hits + len(part.energy), left - len(part)
            advance(len(part))
    return hits


class _Task(NamedTuple):
    """A block to make."""

    number: int
    incident: Array


def _blocks(
    generator: ShowerGenerator, setting: GenerationSetting, energies: Energies, showers: int, workers: int
) -> Iterator[Showers]:
    """Blocks in the order of their numbers, made here or by worker processes that stay a few blocks ahead."""
    tasks = [_Task(number, energies.of_block(number)) for number in range(-(-showers // BLOCK))]
    run = generator.run_info(setting, energies)
    if min(workers, len(tasks)) == 1:
        pipeline = generator.pipeline(setting, run)
        with one_thread():
            for task in tasks:
                yield pipeline.block(task.number, setting.seed, task.incident)
        return
    arguments = (generator.name, generator.device, setting, run)
    yield from in_order(
        _work,
        tasks,
        workers=min(workers, len(tasks)),
        ahead=2 * workers,
        start=_start_worker,
        arguments=arguments,
    )


_worker: tuple[ShowerBlocks, int] | None = None


def _start_worker(name: str, device: str, setting: GenerationSetting, run: RunInfo) -> None:
    """Load the model once in each worker process."""
    global _worker  # noqa: PLW0603
    torch.set_num_threads(1)
    keep_freed_memory()
    _worker = (ShowerGenerator(name, load_stored(name), device).pipeline(setting, run), setting.seed)


def _work(task: _Task) -> Showers:
    assert _worker is not None
    pipeline, seed = _worker
    return pipeline.block(task.number, seed, task.incident)
