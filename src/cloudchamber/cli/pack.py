"""`cloudchamber pack`: a training run as a model that can be passed on."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["pack"]


def pack(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    *,
    out: Annotated[Path, typer.Option(help="The .safetensors file to make; its card stands beside it.")],
    metrics: Annotated[Path | None, typer.Option(help="metrics.json of an evaluation, for the card.")] = None,
    snapshot: Annotated[str | None, typer.Option(help="A snapshot of the run instead of its last weights.")] = None,
    name: Annotated[str | None, typer.Option(help="The model's name in its card and files; the preset's else.")] = None,
    about: Annotated[str | None, typer.Option(help="One line on the model; the preset's else.")] = None,
) -> None:
    """Write the averaged weights of a training run as a model of two files.

    The card says what the model was trained on, where it may be trusted, and, from the metrics, how good it is.

    Example:
        cloudchamber pack runs/a --out mine.safetensors --metrics report/metrics.json

    Args:
        run: folder of a training run.
        out: the .safetensors file to make.
        metrics: metrics.json of an evaluation.
        snapshot: a snapshot of the run instead of its last weights.
        name: the model's name in its card and in generated files.
        about: one line on the model.
    """
    from cloudchamber.recipes.packing import pack as pack_run

    card = pack_run(run, out, metrics=metrics, snapshot=snapshot, name=name, about=about)
    typer.echo(f"'{out}' ({out.stat().st_size / 1e6:.1f} MB) and its card '{card}'")
