r"""The results of arXiv:2310.16308 for a model of images, as a page with pictures.

    cloudchamber simulate dis --beams 10x275 --q2-min 25 --level stable --events 200000 --seed 2410 --out reference
    python benchmarks/image.py --model ep-dis-10x275-image --cloud ep-dis-10x275-stable --reference reference \
        --calls 16 50 --events 5000 --straight runs/straight --work work --out docs

draws figures 3 and 5 to 10 for Pythia8, for Pythia8 in the pixels of the model and for the model, and writes them with
the numbers to `docs/image.md`. Events that the folder `--work` holds already are not made again. `--straight` is a run
of the same preset with `rescaling = "straight"`, for what equations 13 to 17 are worth.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from image_figures import SPECIES, Sample, Three, draw_all, sample_of
from numpy.typing import NDArray

from cloudchamber.evaluate.budget import Budget
from cloudchamber.evaluate.document import MetricsDocument, to_document
from cloudchamber.evaluate.evaluation import evaluate
from cloudchamber.events import Events
from cloudchamber.formats import files
from cloudchamber.generate.pipeline import assemble
from cloudchamber.physics.acceptance import Acceptance
from cloudchamber.recipes.generation import GenerationSetting, Generator, generate_file, load
from cloudchamber.represent.image import ImageRepresentation
from cloudchamber.tensors.rng import EventRng

Array = NDArray[np.float64]
_BINS = 20
_FEWEST = 100


class Made(NamedTuple):
    """Events of a model, and how many images had no electron and were drawn again."""

    events: Events
    redrawn: int


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


def pixelated(representation: ImageRepresentation, events: Events, batch: int = 5_000) -> Events:
    """Events to images and back: Pythia8 as the model would have it if it were perfect.

    Args:
        representation: of the model.
        events: the truth.
        batch: events at a time.
    """
    parts = []
    for start in range(0, len(events), batch):
        part = events[start : start + batch]
        rng = EventRng(7, range(start, start + len(part)))
        phi = 2 * np.pi * rng.uniform().double().numpy() - np.pi
        decoded = representation.decode(representation.pixelate(part), phi, rng)
        parts.append(assemble(decoded.scattered, decoded.particles, decoded.event, events.run))
    return Events.concatenate(parts)


def made(model: str, place: Path, events: int, calls: int | None, workers: int) -> Made:
    """Events of a model, from the folder of work where they are there.

    Args:
        model: name or run.
        place: of the file.
        events: how many.
        calls: network calls; the preset's by default.
        workers: processes.
    """
    told = place.with_suffix(".json")
    if not told.exists():
        tally = generate_file(load(model), place, events=events, setting=GenerationSetting(seed=1, calls=calls),
                              workers=workers)  # fmt: skip
        told.write_text(json.dumps({"redrawn": tally.redrawn_images}))
    return Made(files.read(place), json.loads(told.read_text())["redrawn"])


def judged(place: Path, events: Events, reference: Events) -> MetricsDocument:
    """What `evaluate` says of the particles that images hold, without its figures; from the folder of work if it knows.

    Args:
        place: of the answer.
        events: of a model.
        reference: the truth.
    """
    if not place.exists():
        budget = Budget.named("quick").with_events(len(events))
        found = evaluate(events, reference, budget, acceptance=Acceptance.named("image"))
        place.write_text(to_document(found, "model", "Pythia8").model_dump_json())
    return MetricsDocument.model_validate_json(place.read_bytes())


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


_CONTENT = ("sample", "events", *(f"{n} per event" for n in SPECIES.values()), "exactly one e⁻", "sum z > 2",
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


def _page(parts: Iterator[str], out: Path) -> None:
    (out / "image.md").write_text("\n".join(parts) + "\n")


def _sections(chosen: argparse.Namespace) -> Iterator[str]:
    generator = load(chosen.model)
    representation = generator.trained.representation
    assert isinstance(representation, ImageRepresentation)
    truth = files.read(chosen.reference, chosen.truth)
    pixels = pixelated(representation, truth)
    runs = {calls: made(chosen.model, chosen.work / f"image-{calls}.parquet", chosen.events, calls, chosen.workers)
            for calls in chosen.calls}  # fmt: skip
    best = runs[chosen.calls[-1]]
    one, two, three = (sample_of(events, representation.beams) for events in (truth, pixels, best.events))
    pictures = chosen.out / "image"
    pictures.mkdir(parents=True, exist_ok=True)
    size = f"{representation.pixels.rows} x {representation.pixels.columns}"
    draw_all(pictures, Three(one, two, three, size), representation, truth)
    yield from _head(chosen, generator, representation, truth)
    rows = [[*content(name, sample, two), "-"] for name, sample in (("Pythia8", one), ("Pythia8 in pixels", two))]
    rows += [[*content(f"model, {calls} calls", sample_of(m.events, representation.beams), two), _redrawn(m)]
             for calls, m in runs.items()]  # fmt: skip
    yield table(_CONTENT, rows)
    yield _SHORT.format(images=_steps(chosen.model) * generator.trained.card.preset.training.batch_size)
    yield _PICTURES
    if chosen.straight:
        place = chosen.work / "straight.parquet"
        other = made(chosen.straight, place, chosen.straight_events, chosen.calls[-1], chosen.workers)
        rows = [[*content("model without the rescaling", sample_of(other.events, representation.beams), two),
                 _redrawn(other)]]  # fmt: skip
        if chosen.beside:
            same = made(chosen.beside, chosen.work / "beside.parquet", chosen.straight_events, chosen.calls[-1],
                        chosen.workers)  # fmt: skip
            rows.append([*content("model with it", sample_of(same.events, representation.beams), two), _redrawn(same)])
        steps = _steps(chosen.straight)
        yield _WITHOUT.format(steps=steps, calls=chosen.calls[-1])
        yield table(_CONTENT, rows)
    if chosen.cloud:
        cloud = made(chosen.cloud, chosen.work / "cloud.parquet", len(best.events), None, chosen.workers)
        n = min(len(best.events), len(cloud.events))
        yield _CLOUD.format(n=n, calls=chosen.calls[-1], cloud=chosen.cloud)
        reference = files.read(chosen.reference, 12 * n)
        tried = {"images": best.events[:n], chosen.cloud: cloud.events[:n], "Pythia8 in pixels": pixels[:n]}
        yield comparison(
            {name: judged(chosen.work / f"judged-{name.replace(' ', '-')}-{n}.json", events, reference[n:])
             for name, events in tried.items()}
        )  # fmt: skip


def _head(
    chosen: argparse.Namespace, generator: Generator, representation: ImageRepresentation, truth: Events
) -> Iterator[str]:
    card = generator.trained.card
    phase = card.training["phases"][-1] if card.training.get("phases") else {}
    weights = sum(p.numel() for p in generator.trained.model.parameters())
    rows, columns, _ = representation.shape
    yield _INTRODUCTION.format(
        model=card.preset.name, rows=rows, columns=columns, weights=weights / 1e6, command=_command(chosen),
        steps=phase.get("steps", 0), minutes=phase.get("minutes", 0.0),
        images=phase.get("steps", 0) * card.preset.training.batch_size, truth=len(truth),
    )  # fmt: skip
    yield sparsity(truth[:10_000])
    yield _RESCALING
    yield rescaling_table(representation)
    yield _CONTENTS.format(events=chosen.events)


def _steps(run: str) -> int:
    phases = load(run).trained.card.training.get("phases", [])
    return int(phases[-1]["steps"]) if phases else 0


def _redrawn(m: Made) -> str:
    return f"{m.redrawn / (len(m.events) + m.redrawn):.1%}"


def _command(chosen: argparse.Namespace) -> str:
    calls = " ".join(map(str, chosen.calls))
    text = f"python benchmarks/image.py --model {chosen.model} --reference reference --calls {calls}"
    text += f" --events {chosen.events}"
    text += f" --cloud {chosen.cloud}" if chosen.cloud else ""
    text += f" --straight runs/straight --straight-events {chosen.straight_events}" if chosen.straight else ""
    return text + (" --beside runs/beside" if chosen.beside else "")


_INTRODUCTION = """# Images of events

`{model}` is the model of arXiv:2310.16308 at {rows} x {columns} pixels: events as images of pi+, K+ and e-, a denoising
diffusion model with learnt variance, a U-Net that is periodic in azimuth. It has {weights:.2f} million weights and was
trained for {minutes} minutes on one CPU core that other work shared, {steps:,} steps or {images:,} images. This page is
made by

    {command}

with {truth:,} events of Pythia8 that were not trained on. All of z, eta and azimuth are those of the centre-of-mass
frame, in which sums of z are below 2 and the electron's eta ends at ln(5 GeV / sqrt(s)) = -3.0, as in the paper's
figures; the azimuth is counted from opposite to the scattered electron.

## Empty pixels

The share of empty pixels, mean and spread over events (the paper: 99.95 ± 0.02 %).
"""
_RESCALING = """
## Rescaling

The constants of equations 13 to 17 are not published. Fitted so that the values of the three species together fill the
window as evenly as they can, they are
"""
_CONTENTS = """
## What is in an event

Means with statistical errors, and in brackets the difference from Pythia8 in pixels; nothing is drawn again to conserve
momentum, so the share of events with a sum of z above 2 is the model's own. Spectra of z are compared in 20 bins of
equal content between the 5th and the 95th percentile of Pythia8 in pixels.
"""
_SHORT = """
What single pixels hold is right from the first step, since the network corrects their own distributions: multiplicities
and spectra of pi+ and K+ follow from it. What relates pixels is learnt late, and {images:,} images were not enough: an
event has more or fewer than one electron far too often (those without any are drawn again), and so its sum of z is too
broad, reaches beyond 2, and the plane of x and Q2 is smeared. Longer training is the remedy.
"""
_PICTURES = """
![The momentum of electrons in pixels](image/figure-03.png)

*Figure 3: electrons in 16, 32 and 64 pixels.*

![Spectra](image/figure-05.png)

*Figure 5: spectra.*

![Multiplicities](image/figure-06.png)

*Figure 6: multiplicities.*

![Momentum sums](image/figure-07.png)

*Figure 7: sum of z over the three species.*

![Leading and second hadrons](image/figure-08.png)

*Figure 8: z of the leading and of the second pi+ (above) and K+ (below).*

![x and Q2](image/figure-09.png)

*Figure 9: the plane of x and Q2 from the scattered electron.*

![Reduced cross-section](image/figure-10.png)

*Figure 10: the reduced cross-section against Q2 in bins of x.*
"""
_WITHOUT = """
## Without the rescaling

The same preset with `rescaling = "straight"`, after {steps:,} steps, beside the model after as many; {calls} calls. The
paper reports deviations of orders of magnitude near the ends of the spectrum without the rescaling. Here the network
corrects the best guess from each pixel alone, whose distribution of values is fitted in 12 intervals of the window;
that guess knows the spectrum coarsely whatever the map, but without the rescaling nearly all hadrons share its first
interval.
"""
_CLOUD = """
## Beside the point cloud

Both models against Pythia8 itself, not in pixels, on the particles that images hold, {n:,} events on either side, by
`evaluate --accept image` (lab frame); images with {calls} calls, `{cloud}` as it is shipped. In brackets stands what
Pythia8 against Pythia8 gives at that size. The last column is Pythia8 in pixels: what a perfect model of images could
do.
"""


def main() -> None:
    """Generate what is missing, draw, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ep-dis-10x275-image")
    parser.add_argument("--cloud", default="")
    parser.add_argument("--straight", default="")
    parser.add_argument("--beside", default="", help="the model after as many steps as --straight")
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--truth", type=int, default=50_000, help="events of the reference in figures and spectra")
    parser.add_argument("--events", type=int, default=5_000)
    parser.add_argument("--straight-events", type=int, default=2_000)
    parser.add_argument("--calls", type=int, nargs="+", default=[16, 50], help="the last is drawn")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--out", type=Path, default=Path("docs"))
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    _page(_sections(chosen), chosen.out)


if __name__ == "__main__":
    main()
