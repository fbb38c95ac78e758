"""Tables of `benchmarks/image.py`: what is in the events of a model of images, and what `evaluate` says of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from image_figures import SPECIES, Sample
from numpy.typing import NDArray

from cloudchamber.evaluate.document import MetricsDocument
from cloudchamber.events import Events
from cloudchamber.represent.image import ImageRepresentation

__all__ = ["CONTENT", "Spectrum", "comparison", "content", "rescaling_table", "sparsity", "spectrum", "table"]

Array = NDArray[np.float64]
_BINS = 20
_FEWEST = 100


class Spectrum(NamedTuple):
    """The z spectrum of a species against pixelated Pythia8 between the 5th and 95th percentile.

    Attributes:
        deviation: candidate / reference - 1 of each bin with over 100 reference entries.
        error: its statistical uncertainty.
    """

    deviation: Array
    error: Array

    @property
    def text(self) -> str:
        """Bins inside 20 %, and the worst of them with its error."""
        worst = int(np.argmax(np.abs(self.deviation)))
        return (f"{int((np.abs(self.deviation) <= 0.2).sum())} of {len(self.deviation)} "
                f"(worst {self.deviation[worst]:+.0%} ± {self.error[worst]:.0%})")  # fmt: skip


def spectrum(candidate: Sample, reference: Sample, code: int) -> Spectrum:
    """Compare z spectra in bins that are even in the reference's quantiles.

    Args:
        candidate: of the model.
        reference: Pythia8 in pixels.
        code: PDG number of the species.
    """
    a, b = candidate.z[candidate.code == code], reference.z[reference.code == code]
    edges = np.quantile(b, np.linspace(0.05, 0.95, _BINS + 1))
    found, expected = (np.histogram(z, edges)[0].astype(float) for z in (a, b))
    kept = expected > _FEWEST
    rate = found[kept] / candidate.events / (expected[kept] / reference.events)
    error = rate * np.sqrt(1 / np.maximum(found[kept], 1) + 1 / expected[kept])
    return Spectrum(rate - 1, error)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown.

    Args:
        heads: of the columns.
        rows: cells.
    """
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def content(name: str, sample: Sample, pixels: Sample) -> list[str]:
    """A line of the table of contents: multiplicities, electrons, momentum sums and spectra.

    Args:
        name: of the sample.
        sample: what to describe.
        pixels: Pythia8 in pixels.
    """
    cells = [name, f"{sample.events:,}"]
    for code in SPECIES:
        counts, truth = sample.counts(code), pixels.counts(code)
        error = counts.std() / len(counts) ** 0.5
        cells.append(f"{counts.mean():.3f} ± {error:.3f} ({counts.mean() / truth.mean() - 1:+.1%})")
    total = sample.sums()
    cells += [f"{(sample.counts(11) == 1).mean():.1%}", f"{(total > 2).mean():.2%}"]
    return cells + [spectrum(sample, pixels, code).text for code in SPECIES]


CONTENT = ("sample", "events", *(f"{n} per event" for n in SPECIES.values()), "exactly one e⁻", "sum z > 2",
            *(f"z of {n}: bins within 20 %" for n in SPECIES.values()), "images without e⁻, drawn again")  # fmt: skip


def comparison(models: dict[str, MetricsDocument]) -> str:
    """The table of models beside floors: distances of single particles and tests of whole events.

    Args:
        models: what `evaluate` says of each, by name.
    """
    first = next(iter(models.values()))
    rows = []
    for m in first.particles:
        if m.species in ("e'", "pi+", "K+") and m.quantity in ("pT", "eta", "phi", "z") and m.score is not None:
            scores = [next(o.score for o in d.particles if (o.species, o.quantity) == (m.species, m.quantity))
                      for d in models.values()]  # fmt: skip
            cells = ["-" if s is None else f"{s.value:.3g} ± {s.error:.1g} ({s.floor:.2g})" for s in scores]
            rows.append([f"W1 of {m.quantity} of {m.species} {f'[{m.unit}]' if m.unit else ''}".strip(), *cells])
    for metric in first.metrics:
        same = [next((o for o in d.metrics if o.name == metric.name), None) for d in models.values()]
        cells = ["-" if o is None else f"{o.value:.3g} ± {o.error:.1g}"
                 + ("" if o.floor is None else f" ({o.floor:.2g})") for o in same]  # fmt: skip
        rows.append([metric.name, *cells])
    return table(["", *models], rows)


def rescaling_table(representation: ImageRepresentation) -> str:
    """The fitted constants.

    Args:
        representation: of the model.
    """
    values = representation.rescaling.state().tolist()
    names = ("z1", "z2", "c1", "c2", "alpha", "beta", "window from", "to")
    return table(names[: len(values)], [[f"{v:.4g}" for v in values]]) if len(values) == len(names) else ""


def sparsity(events: Events) -> str:
    """Shares of empty pixels for three channels and for all species.

    Args:
        events: the truth.
    """
    rows = []
    everything = tuple(sorted({int(code) for code in events.flat("pdg_id")}))
    for size in (16, 32, 64):
        cells = [f"{size} x {size}"]
        for channels in ((211, 321, 11), everything):
            one = ImageRepresentation.fit(events[:20_000], rows=size, columns=size, channels=channels)
            filled = one.pixelate(events)
            counts = np.bincount(filled.image, minlength=len(events))
            share = 1 - counts / (size * size * len(channels))
            seen = np.unique(filled.image * size * size + filled.pixel // len(channels))
            any_species = 1 - np.bincount(seen // (size * size), minlength=len(events)) / (size * size)
            cells += [f"{share.mean():.4%} ± {share.std():.4%}", f"{any_species.mean():.3%} ± {any_species.std():.3%}"]
        rows.append(cells)
    n = len(everything)
    heads = ("pixels", "3 channels, of all pixels and channels", "3 channels, pixels without any",
             f"{n} species, of all pixels and channels", f"{n} species, pixels without any")  # fmt: skip
    return table(heads, rows)
