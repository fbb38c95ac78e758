"""`cloudchamber models`: what can be generated, from what, how good, how fast."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from cloudchamber.recipes.store import Card

__all__ = ["models"]


def models() -> None:
    """List the models that are installed, with what was measured of them.

    Example:
        cloudchamber models
    """
    from rich.console import Console
    from rich.table import Table

    from cloudchamber.recipes.store import model_names, pretrained_folder, read_card

    table = Table("model", "beams", "level", "training events", "classifier AUC (floor)", "calls", "about")
    for name in model_names():
        card = read_card(pretrained_folder() / f"{name}.json")
        table.add_row(
            name, _beams(card), _level(card), f"{card.events:,}", _auc(card),
            str(card.preset.sampling.calls) if card.preset.takes_calls else "none", card.preset.description,
        )  # fmt: skip
    Console(width=None if Console().is_terminal else 160).print(table)
    typer.echo("All measurements: the JSON cards beside the weights, in the folder 'pretrained' of the package.")


def _beams(card: "Card") -> str:
    if card.data.beams is not None:
        return card.data.beams.name
    if card.data.protons is not None:
        return f"pp, {2 * card.data.protons.energy / 1000:g} TeV"
    if card.preset.family == "calo":
        return "-"
    from cloudchamber.recipes.phase_space import energies_of

    return "any, {:.0f} to {:.0f} GeV".format(*energies_of(card))


def _level(card: "Card") -> str:
    return "-" if card.preset.family == "calo" else card.preset.level.value


def _auc(card: "Card") -> str:
    auc = card.metrics.get("classifier_auc")
    return "not measured" if auc is None else f"{auc['value']:.3f} ({auc['floor']:.3f})"
