"""Pixels hold sums of z, images go there and back, and what they hold is what the particles carried."""

import awkward as ak
import numpy as np
import pytest
import torch
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Events, RunInfo
from cloudchamber.models.raster import dense
from cloudchamber.physics.kinematics import Momenta, azimuth_difference, center_of_mass_energy, center_of_mass_rapidity
from cloudchamber.physics.pixels import Filled
from cloudchamber.represent.image import EMPTY, ImageRepresentation
from cloudchamber.tensors.rng import EventRng

BEAMS = Beams.parse("10x275")
SETTINGS = {
    "32": {"rows": 32, "columns": 32},
    "64": {},
    "straight": {"rows": 16, "columns": 16, "rescaling": "straight"},
    "pT": {"rows": 24, "columns": 40, "intensity": "pT"},
    "more": {"rows": 32, "columns": 32, "channels": (11, 22, -211, 211, 2212)},
}


@pytest.fixture(scope="module", params=SETTINGS)
def fitted(request: pytest.FixtureRequest, stable_events: Events) -> ImageRepresentation:
    return ImageRepresentation.fit(stable_events, **SETTINGS[request.param])


def images_of(fitted: ImageRepresentation, events: Events) -> Tensor:
    return dense(fitted.encode(events)["image"], fitted.shape, EMPTY)


def in_centre_of_mass(events: Events) -> Momenta:
    lab = Momenta(*(events.flat(name).astype(np.float64) for name in ("px", "py", "pz", "mass")))
    return lab.boosted(center_of_mass_rapidity(BEAMS))


def decoded_events(fitted: ImageRepresentation, filled: Filled, phi: np.ndarray) -> Events:
    decoded = fitted.decode(filled, phi, EventRng(1, range(len(phi))))
    flat = {name: np.concatenate([[value] * len(phi), decoded.particles[name]]) for name, value in
            (("pdg_id", 11), ("px", 0.0), ("py", 0.0), ("pz", 0.0), ("mass", 0.000511))}  # fmt: skip
    for i, name in enumerate(("px", "py", "pz")):
        flat[name][: len(phi)] = decoded.scattered[:, 1 + i]
    order = np.argsort(np.concatenate([np.arange(len(phi)), decoded.event]), kind="stable")
    counts = 1 + np.bincount(decoded.event, minlength=len(phi))
    return Events.from_flat(counts, {k: v[order] for k, v in flat.items()}, run=RunInfo(beams=BEAMS))


def test_images_hold_the_pixel_contents_to_a_millionth(fitted: ImageRepresentation, stable_events: Events) -> None:
    filled = fitted.pixelate(stable_events)
    again = fitted.filled(images_of(fitted, stable_events))
    assert np.array_equal(again.image, filled.image)
    assert np.array_equal(again.pixel, filled.pixel)
    np.testing.assert_allclose(again.intensity, filled.intensity, rtol=0, atol=1e-6)


@pytest.mark.parametrize("place", ["centre", "smeared"])
def test_events_of_pixels_fill_the_same_pixels(fitted: ImageRepresentation, stable_events: Events, place: str) -> None:
    """Image to events to image: every content returns, whatever azimuth the event is turned to."""
    placed = ImageRepresentation.from_state(
        fitted.state() | {"place": torch.tensor(("centre", "smeared").index(place))}
    )
    filled = placed.pixelate(stable_events)
    phi = np.random.default_rng(1).uniform(-np.pi, np.pi, len(stable_events))
    events = decoded_events(placed, filled, phi)
    np.testing.assert_allclose(azimuth_difference(ak.to_numpy(events.electron.phi), phi), 0, atol=1e-9)
    again = placed.pixelate(events)
    assert np.array_equal(again.image, filled.image)
    assert np.array_equal(again.pixel, filled.pixel)
    if placed.intensity == "z" or place == "centre":
        np.testing.assert_allclose(again.intensity, filled.intensity, rtol=1e-9, atol=1e-12)


def test_sums_are_those_of_the_particles(fitted: ImageRepresentation, stable_events: Events) -> None:
    """Every particle of the channels' species is in its image: sums of z by event and species."""
    p, filled = in_centre_of_mass(stable_events), fitted.pixelate(stable_events)
    content = 2 * (p.p if fitted.intensity == "z" else p.pt) / center_of_mass_energy(BEAMS)
    event = np.repeat(np.arange(len(stable_events)), stable_events.counts)
    for channel, code in enumerate(fitted.species):
        chosen = stable_events.flat("pdg_id") == code
        expected = np.bincount(event[chosen], content[chosen], minlength=len(stable_events))
        mine = filled.pixel % len(fitted.species) == channel
        found = np.bincount(filled.image[mine], filled.intensity[mine], minlength=len(stable_events))
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_the_scattered_electron_is_in_the_first_column_and_first(
    fitted: ImageRepresentation, stable_events: Events
) -> None:
    filled = fitted.pixelate(stable_events)
    phi = ak.to_numpy(stable_events.electron.phi).astype(np.float64)
    events = decoded_events(fitted, filled, phi)
    before, after = (in_centre_of_mass(sample).take(sample.offsets[:-1]) for sample in (stable_events, events))
    half = 10 / fitted.pixels.rows
    assert np.quantile(np.abs(after.eta - before.eta), 0.95) < 2 * half
    if fitted.intensity == "z":
        assert np.quantile(np.abs(after.p / before.p - 1), 0.95) < 1e-3  # another electron rarely shares its pixel


def test_momentum_fractions_are_those_of_the_centre_of_mass(stable_events: Events) -> None:
    """All species together carry sum z = 2 less what masses take, and no z is above 1."""
    p = in_centre_of_mass(stable_events)
    z = p.z(BEAMS)
    assert z.max() < 1 + 1e-6
    event = np.repeat(np.arange(len(stable_events)), stable_events.counts)
    total = np.bincount(event, 2 * p.energy / center_of_mass_energy(BEAMS))
    np.testing.assert_allclose(total, 2.0, rtol=1e-4)
    assert np.bincount(event, z).max() < 2 + 1e-4
    assert np.bincount(event, z).mean() > 1.8


def test_the_share_of_empty_pixels_is_the_published_one(stable_events: Events) -> None:
    """99.95 +- 0.02 % at 64 x 64."""
    fitted = ImageRepresentation.fit(stable_events)
    empty = 1 - len(fitted.pixelate(stable_events).pixel) / (len(stable_events) * 64 * 64 * 3)
    assert empty == pytest.approx(0.9995, abs=2e-4)


def test_the_threshold_decides_what_is_empty(stable_events: Events) -> None:
    fitted = ImageRepresentation.fit(stable_events, rows=8, columns=8)
    assert fitted.threshold == pytest.approx(-0.76)
    image = torch.full((1, 8, 8, 3), -1.0)
    image[0, 0, 0, 0], image[0, 0, 0, 1], image[0, 3, 2, 2], image[0, 4, 4, 0] = -0.77, -0.75, 0.3, 7.0
    found = fitted.filled(image)
    assert found.pixel.tolist() == [1, (3 * 8 + 2) * 3 + 2, (4 * 8 + 4) * 3]
    assert found.intensity[2] == pytest.approx(float(fitted.rescaling.inverse(torch.tensor(1.0))))
    lower = ImageRepresentation.fit(stable_events, rows=8, columns=8, threshold=-0.9).filled(image)
    assert lower.pixel.tolist()[:2] == [0, 1]
    assert lower.intensity[0] == 0.0 or lower.intensity[0] < 1e-6


def test_an_image_without_an_electron_is_no_event(fitted: ImageRepresentation) -> None:
    electron = fitted.species.index(11)
    images = torch.full((2, *fitted.shape), -1.0)
    images[0, 3, 3, electron - 1], images[1, 3, 3, electron] = 0.5, 0.5
    assert fitted.has_electron(images).tolist() == [False, True]
    with pytest.raises(ValueError, match="without an electron"):
        fitted.decode(fitted.filled(images), np.zeros(2), EventRng(1, range(2)))


def test_the_electron_of_the_first_column_is_the_scattered_one(stable_events: Events) -> None:
    """A harder electron elsewhere is not taken for it; the hardest of the whole image is if the column is empty."""
    fitted = ImageRepresentation.fit(stable_events, rows=8, columns=8)
    filled = Filled(np.array([0, 0, 1, 1]), np.array([8 * 3 * 3 + 2, 8 * 4 * 3 + 3 + 2, 5, 11]),
                    np.array([0.2, 0.9, 0.3, 0.7]))  # fmt: skip
    half = center_of_mass_energy(BEAMS) / 2
    decoded = fitted.decode(filled, np.zeros(2), EventRng(1, range(2)))
    p = Momenta(*decoded.scattered[:, 1:].T, np.full(2, 0.000511)).boosted(center_of_mass_rapidity(BEAMS)).p
    np.testing.assert_allclose(p, [0.2 * half, 0.7 * half], rtol=1e-9)


def test_state_holds_the_whole_representation(fitted: ImageRepresentation, stable_events: Events) -> None:
    again = ImageRepresentation.from_state({name: tensor.clone() for name, tensor in fitted.state().items()})
    assert torch.equal(images_of(again, stable_events), images_of(fitted, stable_events))
    assert (again.pixels, again.species, again.place) == (fitted.pixels, fitted.species, fitted.place)
    assert again.deviation == fitted.deviation


def test_the_deviation_is_that_of_the_pixels(fitted: ImageRepresentation, stable_events: Events) -> None:
    images = images_of(fitted, stable_events)
    assert fitted.deviation == pytest.approx((images + 1).square().mean().sqrt().item(), rel=1e-4)


def test_events_that_do_not_belong_are_refused(fitted: ImageRepresentation, stable_events: Events) -> None:
    with pytest.raises(InputError, match="beams unknown, but this model was fitted at 10x275"):
        fitted.encode(stable_events.with_run(RunInfo()))
    with pytest.raises(InputError, match="do not say their beams"):
        ImageRepresentation.fit(stable_events.with_run(RunInfo()))
    with pytest.raises(InputError, match="must include the electron"):
        ImageRepresentation.fit(stable_events, channels=(211,))


def test_fine_shares_are_those_of_the_sample(stable_events: Events) -> None:
    """Where counts are large, `slab` is the sum of the parts in `fine`, and both are what the pixels hold."""
    fitted = ImageRepresentation.fit(stable_events, rows=8, columns=8)
    filled, species = fitted.pixelate(stable_events), len(fitted.species)
    row, channel = filled.pixel // (fitted.shape[1] * species), filled.pixel % species
    values = fitted.rescaling.forward(torch.from_numpy(filled.intensity)).numpy()
    parts = fitted.fine.unflatten(-1, (fitted.slab.shape[-1], -1)).sum(-1)
    counts = np.bincount(row * species + channel, minlength=8 * species).reshape(8, species)
    place = np.unravel_index(counts.argmax(), counts.shape)
    np.testing.assert_allclose(parts[place], fitted.slab[place], atol=0.2 * 200 / counts[place])
    centres = fitted.centres(fitted.fine)
    edges = np.append(centres, 2 * centres[-1] - centres[-2]) - float(centres[1] - centres[0]) / 2
    here = values[(row == place[0]) & (channel == place[1])].clip(edges[0], edges[-1])
    share = np.histogram(here, edges)[0] / len(here)
    np.testing.assert_allclose(fitted.fine[place], share, atol=200 / counts[place] * share.max())


def test_older_maps_draw_from_their_own_intervals(stable_events: Events) -> None:
    state = ImageRepresentation.fit(stable_events, rows=8, columns=8).state()
    del state["fine"]
    again = ImageRepresentation.from_state(state)
    assert torch.equal(again.fine, again.slab)
