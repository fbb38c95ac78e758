"""`cloudchamber generate`: events from a trained model."""

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["generate"]


def generate(
    *,
    model: Annotated[str, typer.Option(help="A shipped model, a training run's folder, or a .safetensors file.")],
    out: Annotated[Path, typer.Option(help="File to make: .parquet, .hepmc3, .hepmc3.gz, .hepmc3.zst or .root.")],
    events: Annotated[int, typer.Option(help="Number of events.")] = 10_000,
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
        typer.Option(help="Of matrix products; auto is bfloat16 where the processor has instructions for it."),
    ] = "auto",
    batch_size: Annotated[int, typer.Option(help="Events in flight in each process.")] = 1024,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "cpu",
) -> None:
    """Generate events with a trained model.

    The file is the same for any number of workers and any batch size, and the first events of a longer run are the
    shorter run. HepMC3 files always keep decayed particles with status 2 and their vertices.

    Example:
        cloudchamber generate --model ep-dis-10x275 --events 10000 --seed 1 --out events.hepmc3.gz

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
    """
    from cloudchamber.cli.progress import event_bar
    from cloudchamber.recipes.generation import GenerationSetting, default_workers, generate_file, load

    keeps_history = history or ".hepmc" in out.name
    setting = GenerationSetting(
        seed=seed, calls=calls, sampler=sampler, decay=decay, history=decay and keeps_history, project=project,
        precision=precision,
    )
    generator = load(model, device)
    with event_bar("generating", events) as advance:
        tally = generate_file(
            generator, out, events=events, setting=setting, workers=default_workers() if workers is None else workers,
            batch_size=batch_size, advance=advance,
        )  # fmt: skip
    typer.echo(
        f"{events:,} events: '{out}', species lists accepted {tally.acceptance:.1%}, decays redrawn "
        f"{tally.decay_redraws}, images without an electron redrawn {tally.redrawn_images}, seed {seed}"
    )
