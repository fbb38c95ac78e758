r"""The results of arXiv:2310.16308 for a model of images, as a page with pictures.

    cloudchamber simulate dis --beams 10x275 --q2-min 25 --level stable --events 200000 --seed 20261 --out reference
    python benchmarks/image.py --model ep-dis-10x275-image --cloud ep-dis-10x275-stable --reference reference \
        --calls 16:10000 50:1000 --work work --out docs

draws figures 3 and 5 to 10 for Pythia8, for Pythia8 in the pixels of the model and for the model, and writes them with
the numbers to `docs/image.md`. Events that the folder `--work` holds already are not made again. What equations 13 to
17 are worth is the page of `benchmarks/image_rescaling.py`.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from image_figures import Three, draw_all, sample_of
from image_tables import CONTENT, comparison, content, rescaling_table, sparsity, table

from cloudchamber.evaluate.budget import Budget
from cloudchamber.evaluate.document import MetricsDocument, to_document
from cloudchamber.evaluate.evaluation import evaluate
from cloudchamber.events import Events
from cloudchamber.formats import files
from cloudchamber.generate.pipeline import assemble
from cloudchamber.physics.acceptance import Acceptance
from cloudchamber.physics.dis import ELECTRON_MASS
from cloudchamber.recipes.generation import GenerationSetting, Generator, generate_file, load
from cloudchamber.represent.image import ImageRepresentation
from cloudchamber.tensors.rng import EventRng


class Sampling(NamedTuple):
    """Network calls of a sampler and how many events are made with them."""

    calls: int
    events: int

    @classmethod
    def parse(cls, text: str) -> "Sampling":
        """From `CALLS:EVENTS`.

        Args:
            text: such as 16:10000.
        """
        calls, events = text.split(":")
        return cls(int(calls), int(events))


class Made(NamedTuple):
    """Events of a model, and how many images had no electron and were drawn again."""

    events: Events
    redrawn: int


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
        mass = np.full(len(part), ELECTRON_MASS)
        parts.append(assemble(decoded.scattered, decoded.particles, decoded.event, events.run, mass))
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


def _page(parts: Iterator[str], out: Path) -> None:
    (out / "image.md").write_text("\n".join(parts) + "\n")


def _sections(chosen: argparse.Namespace) -> Iterator[str]:
    generator = load(chosen.model)
    representation = generator.trained.representation
    assert isinstance(representation, ImageRepresentation)
    truth = files.read(chosen.reference, chosen.truth)
    pixels = pixelated(representation, truth)
    runs = [made(chosen.model, chosen.work / f"image-{s.calls}.parquet", s.events, s.calls, chosen.workers)
            for s in chosen.calls]  # fmt: skip
    best = runs[0]
    one, two, three = (sample_of(events, representation.beams) for events in (truth, pixels, best.events))
    pictures = chosen.out / "image"
    pictures.mkdir(parents=True, exist_ok=True)
    size = f"{representation.pixels.rows} x {representation.pixels.columns}"
    draw_all(pictures, Three(one, two, three, size), representation, truth)
    yield from _head(chosen, generator, representation, truth)
    rows = [[*content(name, sample, two), "-"] for name, sample in (("Pythia8", one), ("Pythia8 in pixels", two))]
    rows += [[*content(f"model, {s.calls} calls", sample_of(m.events, representation.beams), two), share_redrawn(m)]
             for s, m in zip(chosen.calls, runs, strict=True)]  # fmt: skip
    yield table(CONTENT, rows)
    yield _PICTURES.format(calls=chosen.calls[0].calls, events=len(best.events))
    if chosen.cloud:
        yield from _beside_cloud(chosen, best.events, pixels)


def _beside_cloud(chosen: argparse.Namespace, images: Events, pixels: Events) -> Iterator[str]:
    """What `evaluate` says of images, of particle clouds and of Pythia8 in pixels."""
    n = min(len(images), chosen.cloud_events)
    cloud = made(chosen.cloud, chosen.work / "cloud.parquet", n, None, chosen.workers)
    yield _CLOUD.format(n=n, calls=chosen.calls[0].calls, cloud=chosen.cloud)
    reference = files.read(chosen.reference, 12 * n)
    tried = {"images": images[:n], chosen.cloud: cloud.events[:n], "Pythia8 in pixels": pixels[:n]}
    yield comparison(
        {name: judged(chosen.work / f"judged-{name.replace(' ', '-')}-{n}.json", events, reference[n:])
         for name, events in tried.items()}
    )  # fmt: skip


def _head(
    chosen: argparse.Namespace, generator: Generator, representation: ImageRepresentation, truth: Events
) -> Iterator[str]:
    phases = phases_of(generator)
    weights = sum(p.numel() for p in generator.trained.model.parameters())
    rows, columns, _ = representation.shape
    yield _INTRODUCTION.format(
        model=chosen.model, rows=rows, columns=columns, weights=weights / 1e6, command=_command(chosen),
        steps=sum(phase["steps"] for phase in phases), minutes=f"{sum(phase['minutes'] for phase in phases):.0f}",
        images=sum(phase["steps"] * phase["settings"]["batch_size"] for phase in phases), truth=len(truth),
    )  # fmt: skip
    yield sparsity(truth[:10_000])
    yield _RESCALING
    yield rescaling_table(representation)
    yield _CONTENTS


def phases_of(generator: Generator) -> Sequence[Mapping[str, Any]]:
    """How a model was trained, phase after phase.

    Args:
        generator: of the model.
    """
    phases: Sequence[Mapping[str, Any]] = generator.trained.card.training["phases"]
    return phases


def share_redrawn(m: Made) -> str:
    """Share of images without an electron.

    Args:
        m: events of a model.
    """
    return f"{m.redrawn / (len(m.events) + m.redrawn):.1%}"


def _command(chosen: argparse.Namespace) -> str:
    parts = [f"python benchmarks/image.py --model {chosen.model} --reference reference --truth {chosen.truth}"]
    parts.append("--calls " + " ".join(f"{s.calls}:{s.events}" for s in chosen.calls))
    if chosen.cloud:
        parts.append(f"--cloud {chosen.cloud} --cloud-events {chosen.cloud_events}")
    return " \\\n        ".join(parts)


_INTRODUCTION = """# Images of events

`{model}` follows arXiv:2310.16308 at {rows} x {columns} pixels: events as images of pi+, K+ and e-, diffusion along a
cosine path of 500 steps, a U-Net that is periodic in azimuth. Three things are ours: the network corrects the best
guess from each pixel alone; it is told what the other pixels of a column and species make likely, and how far they
exclude each other it learns; and it is trained on the likelihood of every pixel given the noisy image (module
`cloudchamber.process.spike_slab`). The preset `ep-dis-10x275-image-hybrid` has the loss of the paper instead, with
learnt variances, and `ep-dis-10x275-image-64` all that the paper says. The model has {weights:.2f} million weights and
was trained for {minutes} minutes on one CPU core that other work shared, {steps:,} steps or {images:,} images. This
page is made by

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
window as evenly as they can, they are as follows; [what they are worth](image-rescaling.md) has a page of its own.
"""
_CONTENTS = """
## What is in an event

Means with statistical errors, and in brackets the difference from Pythia8 in pixels; nothing is drawn again to conserve
momentum, so the share of events with a sum of z above 2 is the model's own. Spectra of z are compared in 20 bins of
equal content between the 5th and the 95th percentile of Pythia8 in pixels; the worst of them stands in brackets.
"""
_PICTURES = """
What single pixels hold is right from the first step, since the network corrects their own distributions. What relates
pixels must be learnt: that the column of the scattered electron holds one, that hadrons balance it, and how much
momentum there is. The shipped weights were trained to shift the values of pixels; samples tilt their distributions
instead (module `cloudchamber.process.slab`), which is the same to first order and what new trainings learn. The fine
intervals of that module were fitted afterwards, to the first 300,000 training events, as `train` now does at its start.

The figures show {events:,} events of the model, with {calls} calls.

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
    parser.add_argument("--cloud-events", type=int, default=10_000, help="most events beside the point cloud")
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--truth", type=int, default=100_000, help="events of the reference in figures and spectra")
    parser.add_argument("--calls", type=Sampling.parse, nargs="+", metavar="CALLS:EVENTS",
                        default=[Sampling(16, 10_000), Sampling(50, 1_000)], help="the first is drawn")  # fmt: skip
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--out", type=Path, default=Path("docs"))
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    _page(_sections(chosen), chosen.out)


if __name__ == "__main__":
    main()
