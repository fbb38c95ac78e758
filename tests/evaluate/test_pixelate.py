"""What pixels keep and what they lose."""

import numpy as np
import pytest

from cloudchamber.evaluate.pixelate import pixelate
from cloudchamber.evaluate.sample import Sample
from cloudchamber.events import Beams, Events
from cloudchamber.physics.kinematics import Momenta
from cloudchamber.physics.pixels import ETA_RANGE

BEAMS = Beams.parse("10x275")


def momenta(events: Events) -> Momenta:
    return Momenta(*(events.flat(name).astype(np.float64) for name in ("px", "py", "pz", "mass")))


def inside(events: Events) -> np.ndarray:
    return np.abs(momenta(events).eta) < ETA_RANGE


@pytest.mark.parametrize("pixels", [16, 64])
def test_momentum_of_each_species_in_each_event_is_kept(pixels: int, stable_events: Events) -> None:
    images = pixelate(stable_events, pixels)
    keep = inside(stable_events)

    def summed(events: Events, keep: np.ndarray, code: int) -> np.ndarray:
        event = np.repeat(np.arange(len(events)), events.counts)
        chosen = keep & (events.flat("pdg_id") == code)
        return np.bincount(event[chosen], momenta(events).p[chosen], minlength=len(events))

    for code in (11, 211, 22, 2212):
        np.testing.assert_allclose(
            summed(images, np.ones(len(images.flat("px")), bool), code), summed(stable_events, keep, code), rtol=1e-9
        )


def test_directions_are_centers_and_no_species_fills_a_pixel_twice(stable_events: Events) -> None:
    pixels = 32
    images = pixelate(stable_events, pixels)
    p = momenta(images)
    column = (p.eta + ETA_RANGE) / (2 * ETA_RANGE) * pixels
    row = (p.phi + np.pi) / (2 * np.pi) * pixels
    np.testing.assert_allclose(column % 1, 0.5, atol=1e-6)
    np.testing.assert_allclose(row % 1, 0.5, atol=1e-6)
    event = np.repeat(np.arange(len(images)), images.counts)
    cells = np.stack([event, images.flat("pdg_id"), column.astype(int), row.astype(int)], axis=-1)
    assert len(np.unique(cells, axis=0)) == len(cells)


def test_no_particle_moves_further_than_half_a_pixel(stable_events: Events) -> None:
    one = stable_events.select(stable_events.particles.pdg_id == 11)[:50]
    lonely = one[one.counts == 1]
    images = pixelate(lonely, 64)
    before, after = momenta(lonely), momenta(images)
    assert np.abs(before.eta - after.eta).max() <= ETA_RANGE / 64 + 1e-9
    np.testing.assert_allclose(after.p, before.p, rtol=1e-9)


def test_the_scattered_electron_stays_first_and_events_stay_in_order(stable_events: Events) -> None:
    images = pixelate(stable_events, 64, species=(11, 211, 321))
    sample = Sample.of(images, BEAMS, "the images")
    assert set(np.unique(images.flat("pdg_id"))) <= {11, 211, 321}
    original = Sample.of(stable_events, BEAMS, "the events")
    assert np.abs(sample.electron.eta - original.electron.eta).max() <= ETA_RANGE / 64 + 1e-6
    np.testing.assert_array_equal(images.weight, stable_events.weight)


def test_two_pions_in_a_pixel_become_one() -> None:
    columns = {"pdg_id": np.array([11, 211, 211, -211]), "px": np.array([-1.0, 1.0, 2.0, 1.0]),
               "py": np.full(4, 0.01), "pz": np.zeros(4), "mass": np.array([0.0, 0.14, 0.14, 0.14])}  # fmt: skip
    images = pixelate(Events.from_flat([4], columns), 16)
    assert images.flat("pdg_id").tolist() == [11, -211, 211]
    assert momenta(images).p[2] == pytest.approx(np.hypot(1, 0.01) + np.hypot(2, 0.01))
