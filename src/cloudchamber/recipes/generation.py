"""Wiring of a generation run: a trained model in, a stream of finished events out.

Blocks of 256 events are independent: any number of processes makes them, and they are handed on in order, each computed
with one thread, so that the same numbers come out whoever makes a block.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from cloudchamber import __version__
from cloudchamber.errors import InputError, require
from cloudchamber.events import Events, Level, RunInfo
from cloudchamber.formats import files
from cloudchamber.generate.electrons import Electrons
from cloudchamber.generate.jet_score import JetScores
from cloudchamber.generate.pipeline import BLOCK, Block, Finisher, Pipeline, Solver, Tally
from cloudchamber.generate.score import Scores
from cloudchamber.generate.species import Species
from cloudchamber.generate.tensors import TensorEvents, sample_tensors
from cloudchamber.recipes.completion import completion_of
from cloudchamber.recipes.families import Blocks, family_of
from cloudchamber.recipes.generation_setting import GenerationSetting
from cloudchamber.recipes.machine import default_workers, multiplies_bfloat16, one_thread
from cloudchamber.recipes.ordered import in_order
from cloudchamber.recipes.scoring import ScoreSetting, score_events
from cloudchamber.recipes.store import TrainedModel, load_stored
from cloudchamber.recipes.survey import Survey, survey
from cloudchamber.recipes.workers import Advance, exit_on_sigterm, keep_freed_memory
from cloudchamber.represent.differentiable import Inclusive

__all__ = ["GenerationSetting", "Generator", "default_workers", "generate_file", "load", "stream"]


@dataclass
class Generator:
    """A model that makes events.

    Attributes:
        name: how the model was named when it was loaded.
        trained: weights, maps and card.
        device: where the networks run.
    """

    name: str
    trained: TrainedModel
    device: str = "cpu"
    _finisher: Finisher | None = field(default=None, repr=False)
    _surveys: dict[Any, Survey] = field(default_factory=dict, repr=False)
    _draws: dict[int | None, TrainedModel] = field(default_factory=dict, repr=False)

    def sample(self, n: int, seed: int = 0, **options: Any) -> Events:  # noqa: ANN401
        """Events in memory; the first of a larger sample are the smaller one.

        Args:
            n: number of events.
            seed: names the random streams.
            **options: `beams`, `extrapolate`, `q2_min`, `q2_max`, `x_min`, `x_max`, `y_min`, `y_max`, and other fields
                of `GenerationSetting`.

        Raises:
            InputError: if an argument is impossible.
        """
        require(n > 0, f"{n} events cannot be generated: give a positive number.")
        setting = GenerationSetting.of(seed, options)
        pipeline = self.pipeline(setting)
        with one_thread():
            blocks = [pipeline.block(number, seed, setting.history) for number in range(-(-n // BLOCK))]
        return Events.concatenate([block.events for block in blocks])[:n]

    def complete(self, electrons: Events, seed: int = 0, **options: Any) -> Events:  # noqa: ANN401
        """The events of given scattered electrons, with hadronic final states from the model.

        Args:
            electrons: events whose first particle is the scattered electron; others are not looked at.
            seed: names the random streams.
            **options: `beams`, those of the events by default, `extrapolate`, and other fields of `GenerationSetting`.

        Raises:
            InputError: if an argument is impossible, or an electron is outside of what the model has learnt.
        """
        setting = GenerationSetting.of(seed, options)
        setting = setting.completing(completion_of(electrons, self.trained.card, "electrons", setting.phase_space))
        return Events.concatenate([block.events for block in stream(self, range(len(electrons)), setting)])

    def sample_tensors(
        self,
        n: int,
        seed: int = 0,
        *,
        electron: Inclusive | None = None,
        species: Species | None = None,
        **options: Any,  # noqa: ANN401
    ) -> TensorEvents:
        """Events as tensors, differentiable with respect to given electrons and to weights; see `generate.tensors`.

        Weights are told apart by `trained.model.requires_grad_()`, and `trained.model.double()` makes it float64.

        Args:
            n: number of events.
            seed: names the random streams, which are those of `sample`.
            electron: Q2 (GeV2) and y of scattered electrons, each of shape (n,); drawn by the model by default.
            species: which particles there are, from an earlier result; drawn by the model by default.
            **options: other fields of `GenerationSetting`.

        Raises:
            InputError: if the model draws all particles at once, or the numbers of events differ.
        """
        pipeline = self.pipeline(GenerationSetting(seed=seed, **options, decay=False))
        if not isinstance(pipeline, Pipeline):
            raise InputError(f"the model '{self.name}' has no tensors of electrons and particles.")
        sizes = [len(part[0]) for part in (electron, species) if part is not None]
        require(n > 0 and all(size == n for size in sizes), f"{n} events need {n} electrons and lists of species.")
        return sample_tensors(pipeline, n, seed, electron, species)

    def score(self, events: Events, seed: int = 0, **options: Any) -> Scores | JetScores:  # noqa: ANN401
        """Log-densities of events, stage by stage; see `generate.score` and `generate.jet_score`.

        Args:
            events: final states, the scattered electron first in each.
            seed: names the random streams.
            **options: other fields of `recipes.scoring.ScoreSetting`.

        Raises:
            InputError: if the model has no density of events, or the events are of other beams or another level.
        """
        return score_events(self._drawn(None), events, ScoreSetting(seed=seed, **options), self.device)

    def pipeline(self, setting: GenerationSetting) -> Blocks:
        """The machinery that makes the blocks of a run.

        Args:
            setting: what to generate.
        """
        preset, finisher = self.trained.card.preset, None
        if setting.decay and preset.level is not Level.STABLE:
            finisher = self._decayer()
        return family_of(preset).pipeline(
            self.trained.representation,
            self._drawn(setting.draw).model,
            self.run_info(setting),
            finisher,
            solver=self._solver(setting),
            device=self.device,
            region=self._survey(setting).region,
        )

    def _drawn(self, draw: int | None) -> TrainedModel:
        """The model with fixed weights; they are drawn once."""
        if self.trained.card.preset.bayesian is None:
            return self.trained.drawn(draw)
        if draw not in self._draws:
            self._draws = {draw: self.trained.drawn(draw)}
        return self._draws[draw]

    def _solver(self, setting: GenerationSetting) -> Solver:
        """How the stages are sampled; --calls overrides what the preset says of any stage."""
        preset, sampling = self.trained.card.preset, self.trained.card.preset.sampling
        require(
            preset.takes_calls or (setting.calls is None and setting.sampler is None),
            f"the model '{self.name}' has no diffusion stage; leave --calls and --sampler out.",
        )
        stage_calls = sampling.stage_calls if setting.calls is None else {}
        return Solver(
            setting.calls or sampling.calls,
            setting.sampler or sampling.sampler,
            setting.project,
            self.precision(setting),
            stage_calls,
            sampling.stage_samplers if setting.sampler is None else {},
        )

    def run_info(self, setting: GenerationSetting) -> RunInfo:
        """Metadata of a sample before decays.

        Args:
            setting: what to generate.
        """
        card, solver = self.trained.card, self._solver(setting)
        flags = ("" if setting.decay else " --no-decay") + (" --history" if setting.history else "")
        flags += "" if setting.project else " --no-project"
        flags += f" --precision {solver.precision}"
        flags += "" if setting.draw is None else f" --draw {setting.draw}"
        command = f"cloudchamber generate --model {self.name} --seed {setting.seed}"
        takes_calls = card.preset.takes_calls
        command += "" if solver.stage_calls or not takes_calls else f" --calls {solver.calls}"
        command += f" --sampler {solver.sampler}" if takes_calls else ""
        solved = (*((f"sampler {solver.sampler}",) if takes_calls else ()), f"precision {solver.precision}")
        calls = (f"calls {solver.calls}", *(f"calls of {stage} {n}" for stage, n in solver.stage_calls.items()))
        calls = calls if takes_calls else ()
        acceptance, data, completed = family_of(card.preset).acceptance, self._survey(setting).data, {}
        flags += setting.phase_space.flags
        if setting.completion is not None:
            known = setting.completion.run
            completed = setting.completion.provenance
            flags += f" --electrons {setting.completion.name}"
            data = data.with_(cuts=known.cuts, cross_section_pb=known.cross_section_pb,
                              cross_section_error_pb=known.cross_section_error_pb)  # fmt: skip
        return data.with_(
            generator="cloudchamber",
            generator_version=__version__,
            settings=(f"model {card.preset.name}", *calls, *solved, *self._weights(setting)),
            seed=setting.seed,
            provenance={
                "command": f"{command}{flags}",
                "package": f"cloudchamber {__version__}",
                "model": card.preset.name,
                "model_sha256": self.trained.digest,
                "trained_on": f"{card.data.generator} {card.data.generator_version}",
                **({} if acceptance is None else {"acceptance": acceptance.description}),
                **completed,
            },
        )

    def _weights(self, setting: GenerationSetting) -> tuple[str, ...]:
        """Which weights a model has that has distributions of them."""
        if self.trained.card.preset.bayesian is None:
            return ()
        return ("weights means" if setting.draw is None else f"weights draw {setting.draw}",)

    def _survey(self, setting: GenerationSetting) -> Survey:
        """Beams, cuts and cross-section of a run, and how its electrons are drawn; looked into once."""
        solver = self._solver(setting)
        wanted, drawn = setting.phase_space, setting.completion is None
        key = (wanted, setting.draw, drawn, solver.calls_of("electron"), solver.sampler_of("electron"))
        if key not in self._surveys:
            self._surveys[key] = survey(self._drawn(setting.draw), wanted, solver, self.device, drawn=drawn)
        return self._surveys[key]

    def precision(self, setting: GenerationSetting) -> Literal["float32", "bfloat16"]:
        """The precision of the matrix products of a run.

        Args:
            setting: what to generate.

        Raises:
            InputError: if the model cannot be sampled with it.
        """
        family = self.trained.card.preset.family
        if family in ("omnilearn", "zjets"):
            require(setting.precision != "bfloat16", f"models of the family {family} are sampled with float32 only.")
            return "float32"
        if setting.precision != "auto":
            return setting.precision
        if family == "image" and torch.device(self.device).type == "cpu":
            return "float32"  # convolutions of few channels take 1.4 times as long in bfloat16
        return "bfloat16" if multiplies_bfloat16(self.device) else "float32"

    def _decayer(self) -> Finisher:
        if self._finisher is None:
            from cloudchamber.simulate.decay import Decayer

            self._finisher = Decayer()
        return self._finisher


def load(name: str, device: str = "cpu") -> Generator:
    """A model by its name, its weights' file, or the folder of its training run.

    Args:
        name: for example `ep-dis-10x275`.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        InputError: if there is no such model or device.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    require(
        device == "cpu" or (device.startswith("cuda") and torch.cuda.is_available()),
        f"the device '{device}' is not there; use --device cpu.",
    )
    return Generator(name, load_stored(name), device)


def generate_file(
    generator: Generator,
    out: Path,
    *,
    events: int,
    setting: GenerationSetting,
    workers: int = 1,
    batch_size: int = 1024,
    advance: Advance = lambda made: None,
) -> Tally:
    """Generate a file of events, streamed with bounded memory.

    Args:
        generator: a loaded model.
        out: the file to make; its suffix picks the format.
        events: number of events.
        setting: what to generate.
        workers: processes to use.
        batch_size: events in flight in each process, rounded up to blocks of 256.
        advance: told how many events have been written.

    Returns:
        Counts over all blocks.

    Raises:
        InputError: if a number is impossible or the file cannot be written.
    """
    require(events > 0, f"--events {events} is impossible: give a positive number.")
    setting.require_electrons_kept(out)
    tally, run = Tally(), generator.run_info(setting)
    blocks = stream(generator, range(events), setting, workers=workers, batch_size=batch_size)
    with exit_on_sigterm(), files.open_writer(out, run) as writer:
        for block in blocks:
            writer.run = block.events.run
            writer.write(block.events)
            tally += block.tally
            advance(len(block.events))
    return tally


def stream(
    generator: Generator, numbers: range, setting: GenerationSetting, *, workers: int = 1, batch_size: int = 1024
) -> Iterator[Block]:
    """Consecutive events of a run, block by block.

    Args:
        generator: a loaded model.
        numbers: of the events.
        setting: what to generate.
        workers: processes to use.
        batch_size: events in flight in each process, rounded up to blocks of 256.

    Returns:
        Blocks; the first and the last hold only what was asked for of them.

    Raises:
        InputError: if a number is impossible.
    """
    for name, value in (("--workers", workers), ("--batch-size", batch_size)):
        require(value > 0, f"{name} {value} is impossible: give a positive number.")
    return _streamed(generator, numbers, setting, workers, max(1, -(-batch_size // BLOCK)))


def _streamed(
    generator: Generator, numbers: range, setting: GenerationSetting, workers: int, in_flight: int
) -> Iterator[Block]:
    electrons = None if setting.completion is None else setting.completion.electrons
    tasks = [
        _Task(number, None if electrons is None else electrons.select(range(number * BLOCK, (number + 1) * BLOCK)))
        for number in range(numbers.start // BLOCK, -(-numbers.stop // BLOCK))
    ]
    made = _blocks(generator, setting, tasks, workers, in_flight)
    for (number, given), block in zip(tasks, made, strict=True):
        first, events = number * BLOCK, block.events
        if given is not None:
            events = Events(events.particles, given.weight, events.run)
        yield Block(events[max(numbers.start - first, 0) : numbers.stop - first], block.tally)


class _Task(NamedTuple):
    """A block to make, with its electrons if they are given."""

    number: int
    electrons: Electrons | None


def _blocks(
    generator: Generator, setting: GenerationSetting, tasks: Sequence[_Task], workers: int, in_flight: int
) -> Iterator[Block]:
    """Blocks in the order of their numbers, made here or by worker processes that stay a few blocks ahead."""
    if min(workers, len(tasks)) == 1:
        pipeline = generator.pipeline(setting)
        with one_thread():
            for task in tasks:
                yield pipeline.block(task.number, setting.seed, setting.history, task.electrons)
        return
    yield from in_order(
        _work,
        tasks,
        workers=min(workers, len(tasks)),
        ahead=workers * (in_flight + 1),
        start=_start_worker,
        arguments=(generator.name, generator.device, setting),
    )


_worker: tuple[Blocks, GenerationSetting] | None = None


def _start_worker(name: str, device: str, setting: GenerationSetting) -> None:
    """Load the model once in each worker process."""
    global _worker  # noqa: PLW0603
    torch.set_num_threads(1)
    keep_freed_memory()
    _worker = (load(name, device).pipeline(setting), setting)


def _work(task: _Task) -> Block:
    assert _worker is not None
    pipeline, setting = _worker
    return pipeline.block(task.number, setting.seed, setting.history, task.electrons)
