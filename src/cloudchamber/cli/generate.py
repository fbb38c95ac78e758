"""`cloudchamber generate`: events from a trained model."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cloudchamber.errors import InputError

if TYPE_CHECKING:
    from cloudchamber.generate.pipeline import Tally
    from cloudchamber.recipes.generation import GenerationSetting, Generator
    from cloudchamber.recipes.slices import Slice
    from cloudchamber.recipes.workers import Advance

__all__ = ["generate"]

_CAMPAIGN_SUFFIX = ".hepmc3.zst"
_EVENTS = 10_000


def generate(
    *,
    model: Annotated[str, typer.Option(help="A shipped model, a training run's folder, or a .safetensors file.")],
    out: Annotated[
        Path,
        typer.Option(
            help="File to make: .parquet, .hepmc3, .hepmc3.gz, .hepmc3.zst or .root; of showers .parquet or .h5."
        ),
    ],
    events: Annotated[
        int | None, typer.Option(help="Number of events; 10000 by default, or all there are in --electrons.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Names the random streams.")] = 1,
    calls: Annotated[int | None, typer.Option(help="Network calls of each diffusion stage.")] = None,
    sampler: Annotated[
        str | None, typer.Option(help="Solver of the diffusion stages: adams-bashforth, heun, dpm++2m, ...")
    ] = None,
    decay: Annotated[bool, typer.Option(help="Finish decays with Pythia8 where the model needs it.")] = True,
    history: Annotated[bool, typer.Option("--history", help="Keep decayed particles and their vertices.")] = False,
    project: Annotated[bool, typer.Option(help="Make four-momentum exact.")] = True,
    workers: Annotated[int | None, typer.Option(help="Processes; one for each core by default.")] = None,
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        typer.Option(help="Of matrix products; auto is the faster one as a rule."),
    ] = "auto",
    batch_size: Annotated[int, typer.Option(help="Events in flight in each process.")] = 1024,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "cpu",
    slices: Annotated[
        int | None, typer.Option(help="Make numbered files of this many events; EIC productions use 10000.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep what a killed run of this command has made.")] = False,
    electrons: Annotated[
        Path | None,
        typer.Option(help="Complete the scattered electrons of this file, the first particle of each event."),
    ] = None,
    energy: Annotated[float | None, typer.Option(help="Incident energy in GeV, for models of showers.")] = None,
    energies: Annotated[
        Path | None, typer.Option(help="Text file of incident energies in GeV, one a line, for models of showers.")
    ] = None,
    beams: Annotated[
        str | None, typer.Option(help="Electron x hadron energies in GeV, for models of any beams.")
    ] = None,
    extrapolate: Annotated[
        bool, typer.Option("--extrapolate", help="Allow beams outside of the model's energies.")
    ] = False,
    q2_min: Annotated[float | None, typer.Option(help="Smallest Q2 in GeV2.")] = None,
    q2_max: Annotated[float | None, typer.Option(help="Largest Q2 in GeV2.")] = None,
    x_min: Annotated[float | None, typer.Option(help="Smallest x.")] = None,
    x_max: Annotated[float | None, typer.Option(help="Largest x.")] = None,
    y_min: Annotated[float | None, typer.Option(help="Smallest y.")] = None,
    y_max: Annotated[float | None, typer.Option(help="Largest y.")] = None,
    draw: Annotated[
        int | None, typer.Option(help="Number of a draw of a Bayesian model's weights; their means by default.")
    ] = None,
    draws: Annotated[
        int | None, typer.Option(help="Make a folder with a file for each of so many draws, with seeds that follow.")
    ] = None,
    jets: Annotated[int | None, typer.Option(help="Jets of every event, for models of jets.")] = None,
    inside_cuts: Annotated[
        bool, typer.Option("--inside-cuts", help="Draw events outside of the cuts again, for models of jets.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how long it would take, and how large.")] = False,
) -> None:
    """Generate events with a trained model.

    The file is the same for any number of workers and any batch size, and the first events of a longer run are the
    shorter run. HepMC3 files always keep decayed particles with status 2 and their vertices. A long run is best made
    with --resume from the start, and started again with the same command after a kill: the files are the same.

    A Bayesian model has distributions of weights: --draw K takes draw number K, which is the same model for any
    --seed, and --draws N makes N files in the folder --out, for the band of 'evaluate --ensemble'.

    Example:
        cloudchamber generate --model ep-dis-10x275 --events 10000 --seed 1 --out events.hepmc3.gz
        cloudchamber generate --model run --beams 18x275 --q2-min 10 --y-max 0.95 --out events.hepmc3.gz
        cloudchamber generate --model runs/calo --energy 10 --events 1000 --out showers.parquet

    Args:
        model: a shipped model, a training run's folder, or a .safetensors file.
        out: file to make; its suffix picks the format.
        events: number of events.
        seed: names the random streams.
        calls: network calls of each diffusion stage.
        sampler: solver of the diffusion stages.
        decay: finish decays with Pythia8 where the model needs it.
        history: keep decayed particles and their vertices.
        project: make four-momentum exact.
        workers: processes to use.
        precision: of matrix products.
        batch_size: events in flight in each process.
        device: where the networks run.
        slices: events of each of several numbered files.
        resume: keep what a killed run of this command has made.
        electrons: file of scattered electrons to complete.
        energy: incident energy in GeV of showers.
        energies: text file of incident energies in GeV.
        beams: electron x hadron energies in GeV.
        extrapolate: allow beams outside of the model's energies.
        q2_min: smallest Q2 in GeV2.
        q2_max: largest Q2 in GeV2.
        x_min: smallest x.
        x_max: largest x.
        y_min: smallest y.
        y_max: largest y.
        draw: number of a draw of a Bayesian model's weights.
        draws: make a folder with a file for each of so many draws.
        jets: number of jets of every event.
        inside_cuts: draw events outside of the cuts on jets again.
        dry_run: only say how long it would take, and how large.
    """
    from cloudchamber.recipes.completion import read_completion
    from cloudchamber.recipes.generation import GenerationSetting, load
    from cloudchamber.recipes.machine import default_workers
    from cloudchamber.recipes.phase_space import PhaseSpace

    if events is not None and events < 1:
        raise InputError(f"--events {events} is impossible: give a positive number.")
    keeps_history = history or ".hepmc" in out.name or (slices is not None and not out.suffix)
    generator = load(model, device)
    wanted = PhaseSpace.of(
        {"beams": beams, "extrapolate": extrapolate, "q2_min": q2_min, "q2_max": q2_max, "x_min": x_min,
         "x_max": x_max, "y_min": y_min, "y_max": y_max, "jets": jets, "inside_cuts": inside_cuts}
    )  # fmt: skip
    setting = GenerationSetting(
        seed=seed, calls=calls, sampler=sampler, decay=decay, history=decay and keeps_history, project=project,
        precision=precision, phase_space=wanted, draw=draw,
    )  # fmt: skip
    workers = default_workers() if workers is None else workers
    of_events = (electrons, slices, draws, resume or dry_run, wanted != PhaseSpace())
    if _of_showers(generator, energy, energies, *of_events):
        from cloudchamber.cli.showers import make_showers

        make_showers(generator, out, setting, energy=energy, energies=energies, showers=events, workers=workers)
        return
    if electrons is not None:
        completion = read_completion(electrons, generator.trained.card, events, wanted)
        setting = setting.completing(completion)
        available = len(completion.electrons.weight)
        if events is not None and events > available:
            raise InputError(f"--events {events} is impossible: '{electrons}' holds {available:,}.")
        events = available
    events = _EVENTS if events is None else events
    run = _Run(generator, out, events, setting, workers, batch_size, slices, draws, resume)
    if dry_run:
        typer.echo(run.estimate())
        return
    tally = run.make()
    typer.echo(", ".join(part for part in (f"{events:,} events: '{out}'", str(tally), f"seed {seed}") if part))


def _of_showers(generator: "Generator", energy: float | None, energies: Path | None, *others: object) -> bool:
    """Whether the model makes showers; options of the other kind of models are refused."""
    from cloudchamber.recipes.families import family_of

    showers = family_of(generator.trained.card.preset).showers is not None
    if not showers and (energy is not None or energies is not None):
        raise InputError(f"--energy and --energies are for models of showers; '{generator.name}' makes events.")
    if showers and any(other not in (None, False) for other in others):
        raise InputError(
            "--electrons, --slices, --draws, --resume, --dry-run, --jets, beams and cuts are for models of events; "
            "leave them out."
        )
    return showers


@dataclass(frozen=True)
class _Run:
    """What the options ask for."""

    generator: "Generator"
    out: Path
    events: int
    setting: "GenerationSetting"
    workers: int
    batch_size: int
    slices: int | None
    draws: int | None
    resume: bool

    def make(self) -> "Tally":
        """Make the file or the files."""
        from cloudchamber.cli.progress import event_bar
        from cloudchamber.recipes.generation import generate_file
        from cloudchamber.recipes.slices import generate_resumable, generate_slices

        how: dict[str, Any] = {"workers": self.workers, "batch_size": self.batch_size}
        with event_bar("generating", self.events * (self.draws or 1)) as advance:
            if self.draws is not None:
                return self._make_draws(self.draws, advance, how)
            if self.slices is not None:
                return generate_slices(
                    self.generator, self.planned(self.slices), self.setting, resume=self.resume, advance=advance, **how
                )
            make = generate_resumable if self.resume else generate_file
            return make(self.generator, self.out, events=self.events, setting=self.setting, advance=advance, **how)

    def _require_draws(self) -> None:
        if self.slices is not None or self.out.suffix or self.setting.completion is not None:
            raise InputError(
                "--draws fills a folder with Parquet files: give it as --out, and leave --slices and --electrons out."
            )

    def _make_draws(self, draws: int, advance: "Advance", how: dict[str, Any]) -> "Tally":
        from cloudchamber.recipes.draws import generate_draws

        self._require_draws()
        return generate_draws(
            self.generator, self.out, draws, events=self.events, setting=self.setting, resume=self.resume,
            advance=advance, **how,
        )  # fmt: skip

    def planned(self, size: int) -> "list[Slice]":
        """The numbered files."""
        from cloudchamber.recipes.slices import campaign_name, plan

        if min(self.events, size) < 1:
            raise InputError(f"--events {self.events} in --slices of {size} is impossible: give positive numbers.")
        name = campaign_name(self.generator.run_info(self.setting))
        return plan(self.out, _CAMPAIGN_SUFFIX, name, events=self.events, size=size)

    def estimate(self) -> str:
        """How long the run would take, and how large its files would be."""
        from cloudchamber.formats.files import SUFFIXES
        from cloudchamber.recipes.draws import draw_file, draw_settings
        from cloudchamber.recipes.slices import estimate

        name, events, setting = self.out.name, self.events, self.setting
        if self.draws is not None:
            self._require_draws()
            setting = next(draw_settings(self.draws, setting))
            name, events = draw_file(self.out, 0).name, self.events * self.draws
        elif self.slices and not name.endswith(SUFFIXES):
            name = f"sample{_CAMPAIGN_SUFFIX}"
        found = estimate(self.generator, name, events, setting, workers=self.workers)
        return (
            f"{events:,} events would take about {timedelta(seconds=round(found.seconds))} with {self.workers} "
            f"process{'es' if self.workers > 1 else ''} and {found.size / 1e6:,.1f} MB."
        )
