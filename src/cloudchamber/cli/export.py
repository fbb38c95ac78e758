"""`cloudchamber export`: the networks of a model for other languages."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["export"]


def export(
    model: Annotated[str, typer.Argument(help="A shipped model, a training run's folder, or a .safetensors file.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for the .onnx files.")],
) -> None:
    """Write the networks of a model as ONNX files with dynamic batch and length.

    Needs the extra `onnx`.

    Example:
        cloudchamber export ep-dis-10x275 --out onnx

    Args:
        model: a shipped model, a training run's folder, or a .safetensors file.
        out: folder for the files.
    """
    from cloudchamber.recipes.export import export as export_model

    for path in export_model(model, out):
        typer.echo(f"'{path}' ({path.stat().st_size / 1e6:.1f} MB)")
