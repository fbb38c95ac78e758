"""The CaloChallenge's binning files: XML with the bins of every layer in r and alpha.

    <Bins>
      <Bin pid="22" name="photon" ...>
        <Layer id="0" r_edges="0,5,10" n_bin_alpha="10"/>

Edges in r are in mm; the bins in alpha are equal, from -pi to pi. A layer with a single edge has no cells. Cartesian
layers, which the challenge has not, are written with `x_edges` and `y_edges` (mm) instead. The threshold of a cell's
energy (MeV) stands in the attribute `threshold` of `Bins` where it is known.
"""

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from pydantic import ValidationError

from cloudchamber.errors import InputError
from cloudchamber.events import Geometry
from cloudchamber.events.geometry import Layer
from cloudchamber.formats.atomic import atomic_path

__all__ = ["read_binning", "write_binning"]

_PDG = {"photon": 22, "electron": 11, "pion": 211}


def read_binning(path: Path, particle: str | None = None) -> Geometry:
    """The cells that a binning file describes.

    Args:
        path: the XML file.
        particle: name of the particle whose bins are wanted; needed where the file has those of several.

    Raises:
        InputError: if the file is missing, damaged, or describes no cells.
    """
    root = _root(path)
    found = {element.get("name", ""): element for element in root if element.find("Layer") is not None}
    if particle is None and len(found) > 1:
        raise InputError(f"'{path}' has bins for {', '.join(found)}; name one of them.")
    chosen = next(iter(found.values()), None) if particle is None else found.get(particle)
    if chosen is None:
        raise InputError(f"'{path}' has no layers{'' if particle is None else f' for {particle}'}; check the file.")
    layers = list(chosen.iter("Layer"))
    try:
        cartesian = any("x_edges" in layer.attrib for layer in layers)
        geometry = Geometry(
            kind="cartesian" if cartesian else "polar",
            layers=tuple(_layer(element, cartesian) for element in layers),
            threshold=float(root.get("threshold", 0.0)),
            name=chosen.get("name", ""),
        )
    except (KeyError, ValueError, ValidationError):
        raise InputError(
            f"the layers of '{path}' are not understood; each needs id, r_edges and n_bin_alpha, as in the "
            "CaloChallenge's files."
        ) from None
    if geometry.cells == 0:
        raise InputError(f"'{path}' describes no cells; give a file with the bins of at least one layer.")
    return geometry


def write_binning(path: Path, geometry: Geometry) -> None:
    """Write a binning file.

    Args:
        path: the XML file to make.
        geometry: its cells; the name is that of the particle. Bins in alpha must be equal.

    Raises:
        InputError: if bins in alpha differ, or the file cannot be written.
    """
    root = ElementTree.Element("Bins", {"threshold": f"{geometry.threshold!r}"} if geometry.threshold else {})
    names = {"name": geometry.name} | ({"pid": str(_PDG[geometry.name])} if geometry.name in _PDG else {})
    particle = ElementTree.SubElement(root, "Bin", names)
    for layer in geometry.layers:
        ElementTree.SubElement(particle, "Layer", {"id": str(layer.id), **_bins(layer, geometry.kind)})
    ElementTree.indent(root)
    with atomic_path(path) as temporary:
        ElementTree.ElementTree(root).write(temporary)


def _root(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise InputError(f"'{path}' does not exist; check the path of the binning file.") from None
    except (ElementTree.ParseError, OSError) as error:
        raise InputError(f"'{path}' is not valid XML ({error}); copy the binning file again.") from None


def _layer(element: ElementTree.Element, cartesian: bool) -> Layer:
    if cartesian:
        return Layer(
            id=int(element.attrib["id"]),
            first=_numbers(element.attrib["x_edges"]),
            second=_numbers(element.attrib["y_edges"]),
        )
    bins = int(element.attrib["n_bin_alpha"])
    return Layer(id=int(element.attrib["id"]), first=_numbers(element.attrib["r_edges"]), second=_angles(bins))


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(word) for word in text.split(",") if word.strip())


def _angles(bins: int) -> tuple[float, ...]:
    return tuple(np.linspace(-math.pi, math.pi, bins + 1).tolist())


def _bins(layer: Layer, kind: str) -> dict[str, str]:
    first = ",".join(f"{edge:.10g}" for edge in layer.first)
    if kind == "cartesian":
        return {"x_edges": first, "y_edges": ",".join(f"{edge:.10g}" for edge in layer.second)}
    bins = len(layer.second) - 1
    if not np.allclose(layer.second, _angles(bins)):
        raise InputError(f"layer {layer.id} has unequal bins in alpha, which a binning file cannot tell.")
    return {"r_edges": first, "n_bin_alpha": str(bins)}
