"""Everything that can come back comes back; the numbers are those that were published."""

import awkward as ak
import numpy as np
import pytest
import torch

from cloudchamber.errors import InputError
from cloudchamber.events import Events, RunInfo
from cloudchamber.physics.acceptance import PUBLISHED_SPECIES
from cloudchamber.physics.kinematics import azimuth_difference
from cloudchamber.represent.published import ACCEPTANCE, AZIMUTHS, PublishedRepresentation


@pytest.fixture(scope="module", params=AZIMUTHS)
def fitted(request: pytest.FixtureRequest, stable_events: Events) -> PublishedRepresentation:
    return PublishedRepresentation.fit(stable_events, AZIMUTHS[request.param])


def hardest(events: Events) -> ak.Array:
    """All particles but the electron, or the 49 of highest pT, in the order of falling pT."""
    return events.hadronic[ak.argsort(events.hadronic.pt, axis=1, ascending=False)][:, :49]


def columns(events: Events) -> dict[str, np.ndarray]:
    """Their columns."""
    hadronic = hardest(events)
    return {name: ak.to_numpy(ak.flatten(hadronic[name])) for name in ("pdg_id", "px", "py", "pz", "mass")}


def test_decoding_undoes_encoding(fitted: PublishedRepresentation, stable_events: Events) -> None:
    kept = ACCEPTANCE.apply(stable_events)
    rows = fitted.encode(stable_events)
    mask, phi = rows["particles"].mask, ak.to_numpy(kept.electron.phi).astype(np.float64)
    assert mask is not None
    scattered, particles, event = fitted.decode(rows["event"].x, rows["particles"].x, mask, phi)
    expected = columns(kept)
    for i, name in enumerate(("px", "py", "pz")):
        np.testing.assert_allclose(scattered[:, 1 + i], ak.to_numpy(kept.electron[name]), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(particles[name], expected[name], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(scattered[:, 0], ak.to_numpy(kept.electron.E), rtol=1e-4)
    np.testing.assert_allclose(particles["mass"], expected["mass"], atol=2e-5)
    assert np.array_equal(event, np.repeat(np.arange(len(kept)), (kept.counts - 1).clip(max=49)))
    codes = expected["pdg_id"]
    flavourless = np.where(np.isin(abs(codes), (12, 14, 16)), 12 * np.sign(codes), codes)
    assert np.array_equal(particles["pdg_id"], flavourless)
    assert len(set(flavourless)) > 8
    assert fitted.counts(rows["event"].x).tolist() == (kept.counts - 1).clip(1, 49).tolist()
    assert fitted.physical(rows["event"].x).all()


def test_the_numbers_are_the_published_ones(fitted: PublishedRepresentation, stable_events: Events) -> None:
    kept, rows = ACCEPTANCE.apply(stable_events), fitted.encode(stable_events)
    assert rows["particles"].mask is not None
    values = rows["particles"].x[rows["particles"].mask].double().numpy()
    electron, hadronic = kept.electron, hardest(kept)
    flat = {
        "eta": ak.to_numpy(ak.flatten(hadronic.eta + electron.eta)),
        "ln pT": ak.to_numpy(ak.flatten(np.log(hadronic.pt / electron.pt))),
        "dphi": ak.to_numpy(ak.flatten(hadronic.phi - electron.phi)),
    }
    for place, name in ((0, "eta"), (1 + fitted.azimuth.size, "ln pT")):
        expected = (flat[name] - flat[name].mean()) / flat[name].std()
        np.testing.assert_allclose(values[:, place], expected, atol=1e-3)
    if fitted.azimuth.size == 1:
        wrapped = azimuth_difference(flat["dphi"].astype(np.float64), np.full(1, np.pi))
        np.testing.assert_allclose(values[:, 1], (wrapped - wrapped.mean()) / wrapped.std(), atol=1e-3)
        assert wrapped.std() < 1.5  # less than of a flat distribution: the end is where few particles are
        assert fitted.features == 13
    codes = ak.to_numpy(ak.flatten(hadronic.pdg_id))
    assert np.array_equal(values[:, 2 + fitted.azimuth.size], np.sign(codes))
    one_hot = values[:, 3 + fitted.azimuth.size :]
    assert np.array_equal(one_hot.sum(1), np.ones(len(codes)))
    assert all(abs(code) in PUBLISHED_SPECIES[kind] for code, kind in zip(codes, one_hot.argmax(1), strict=True))
    event = rows["event"].x.numpy()
    np.testing.assert_allclose(event.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(event.std(0), 1, atol=1e-5)
    assert rows["particles"].context is rows["event"].x


def test_the_azimuth_on_the_circle_has_no_seam(fitted: PublishedRepresentation, stable_events: Events) -> None:
    """Two particles a hair apart on both sides of pi are close in numbers, or a whole turn."""
    near = np.array([np.pi - 1e-3, 1e-3 - np.pi])
    numbers = fitted.azimuth.encode(near)
    apart = np.linalg.norm(numbers[0] - numbers[1])
    assert apart < 0.01 if fitted.azimuth.name == "circle" else apart > 6
    np.testing.assert_allclose(azimuth_difference(fitted.azimuth.decode(numbers), near), 0, atol=1e-12)


def test_of_many_particles_the_hardest_are_kept() -> None:
    n = 60
    pt = np.linspace(0.1, 6.0, n)
    flat = {"pdg_id": np.append(11, np.full(n, 211)), "px": np.append(5.0, pt), "py": np.zeros(n + 1),
            "pz": np.append(-20.0, np.linspace(-1, 1, n)), "mass": np.append(0.0, np.full(n, 0.13957))}  # fmt: skip
    run = RunInfo.model_validate({"beams": {"electron": 10, "hadron": 275}})
    events = Events.from_flat([n + 1, n + 1], {k: np.tile(v, 2) for k, v in flat.items()}, run=run)
    fitted = PublishedRepresentation.fit(events, AZIMUTHS["line"])
    rows = fitted.encode(events)["particles"]
    assert rows.mask is not None
    assert rows.mask.sum(1).tolist() == [49, 49]
    decoded = fitted.decode(fitted.encode(events)["event"].x, rows.x, rows.mask, np.zeros(2))
    np.testing.assert_allclose(np.sort(decoded.particles["px"][:49]), pt[-49:], rtol=1e-5)


def test_what_a_network_dreams_becomes_finite_momenta(fitted: PublishedRepresentation) -> None:
    wild = torch.tensor([[-9.0, 0.0, -99.0], [1.0, 0.5, 99.0], [1.0, float("nan"), 0.0]])
    assert fitted.physical(wild).tolist() == [False, True, False]
    assert fitted.counts(wild[:2]).tolist() == [1, 49]
    mask = torch.arange(49) < fitted.counts(wild[1:2])[:, None]
    decoded = fitted.decode(wild[1:2], 1e4 * torch.randn(1, 49, fitted.features), mask, np.zeros(1))
    assert all(np.isfinite(column).all() for column in decoded.particles.values())
    codes = decoded.particles["pdg_id"]
    assert not np.isin(codes, [-22, -130]).any()


def test_an_event_without_accepted_particles_is_a_row_of_padding(
    fitted: PublishedRepresentation, stable_events: Events
) -> None:
    keep = ak.local_index(stable_events.particles.px, axis=1) == 0
    lonely = Events.concatenate([stable_events[:1].select(keep[:1]), stable_events[1:3]])
    rows = fitted.encode(lonely)["particles"]
    assert rows.lengths[0] == 0
    assert rows.x.isfinite().all()
    assert fitted.counts(fitted.encode(lonely)["event"].x)[0] == 1


def test_state_holds_the_whole_representation(fitted: PublishedRepresentation, stable_events: Events) -> None:
    again = PublishedRepresentation.from_state({name: tensor.clone() for name, tensor in fitted.state().items()})
    one, two = (r.encode(stable_events) for r in (fitted, again))
    for part in ("event", "particles"):
        assert torch.equal(one[part].x, two[part].x)
    assert again.azimuth is fitted.azimuth


def test_events_that_do_not_belong_are_refused(fitted: PublishedRepresentation, stable_events: Events) -> None:
    with pytest.raises(InputError, match="beams unknown, but this model was fitted at 10x275"):
        fitted.encode(stable_events.with_run(RunInfo()))
    with pytest.raises(InputError, match="do not say their beams"):
        PublishedRepresentation.fit(stable_events.with_run(RunInfo()), fitted.azimuth)
