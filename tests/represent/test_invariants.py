"""Electrons of many beams in one representation."""

import awkward as ak
import numpy as np
import pytest
import torch

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Cuts, Events, Level
from cloudchamber.physics.dis import dis_variables, electron_momentum
from cloudchamber.represent.cloud import CloudRepresentation, four_momenta
from cloudchamber.simulate.pythia import DISSetting, simulate_shard

SETTINGS = ("5x41", "18x275")


@pytest.fixture(scope="module")
def samples() -> list[Events]:
    settings = [DISSetting(Beams.parse(name), 1.0, level=Level.PRIMARY, flat_q2=True) for name in SETTINGS]
    return [simulate_shard(setting, 1_000, seed=5, shard=0) for setting in settings]


@pytest.fixture(scope="module")
def mixture(samples: list[Events]) -> CloudRepresentation:
    """As it comes back from disk."""
    return CloudRepresentation.from_state(CloudRepresentation.fit_mixture(samples).state())


def beams_of(events: Events) -> Beams:
    assert events.run.beams is not None
    return events.run.beams


def test_decoding_undoes_encoding_at_every_setting(mixture: CloudRepresentation, samples: list[Events]) -> None:
    for events in samples:
        electron, scattered = mixture.at(beams_of(events)).electron, four_momenta(events.electron)
        phi = np.arctan2(scattered[:, 2], scattered[:, 1])
        np.testing.assert_allclose(electron.decode(electron.encode(scattered), phi), scattered, atol=2e-4)


def test_scores_do_not_depend_on_boosts_along_the_beams(mixture: CloudRepresentation, samples: list[Events]) -> None:
    """At 10x100 and 20x50, which have the same s, electrons with the same Q2 and y have the same scores."""
    variables = dis_variables(four_momenta(samples[0].electron), beams_of(samples[0]))
    scores = []
    for name in ("10x100", "20x50"):
        beams = Beams.parse(name)
        scattered = electron_momentum(variables.Q2, variables.y, np.zeros(len(variables.y)), beams)
        scores.append(mixture.at(beams).electron.encode(scattered))
        assert torch.equal(mixture.at(beams).conditions(1), mixture.at(Beams.parse("10x100")).conditions(1))
    assert torch.allclose(*scores, atol=1e-4)


def test_every_score_is_an_electron_inside_the_edges(mixture: CloudRepresentation) -> None:
    scores = torch.randn(4_000, 2, generator=torch.Generator().manual_seed(1)) * 1.5
    for name in (*SETTINGS, "10x100"):
        beams = Beams.parse(name)
        scattered = mixture.at(beams).electron.decode(scores, np.zeros(len(scores)))
        good = scattered[np.isfinite(scattered).all(1)]
        variables = dis_variables(good, beams)
        assert len(good) > 3_900
        assert variables.y.max() < 1
        assert np.hypot(good[:, 1], good[:, 2]).min() > 0.9  # the generator's cut is 1; photons move some electrons


def test_log_det_is_the_numerical_jacobian(mixture: CloudRepresentation, samples: list[Events]) -> None:
    electron, step = mixture.at(beams_of(samples[1])).electron, 1e-4
    scattered = four_momenta(samples[1].electron)
    variables, phi = dis_variables(scattered, electron.beams), np.zeros(len(scattered))

    def scores(ln_q2: float, ln_y: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        Q2, y = variables.Q2 * np.exp(ln_q2), variables.y * np.exp(ln_y)
        return electron.encode(electron_momentum(Q2, y, phi, electron.beams)).double().numpy()

    d_q2 = (scores(step, 0) - scores(-step, 0)) / (2 * step)
    d_y = (scores(0, step) - scores(0, -step)) / (2 * step)
    numerical = np.log(np.abs(d_q2[:, 0] * d_y[:, 1] - d_q2[:, 1] * d_y[:, 0]))
    assert np.median(np.abs(numerical - electron.log_det(scattered).numpy())) < 1e-2


def test_weights_are_those_of_a_density_flat_in_ln_q2(mixture: CloudRepresentation, samples: list[Events]) -> None:
    for events in samples:
        bundle = mixture.encode(events)
        assert float((bundle.weight - 1).abs().median()) < 1e-2
        assert bundle["electron"].context is not None
        assert bundle["electron"].context.shape == (len(events), 1)
    plain = Events(events.particles, np.ones(len(events)), events.run)
    Q2 = dis_variables(four_momenta(events.electron), beams_of(events)).Q2
    np.testing.assert_allclose(mixture.encode(plain).weight.numpy(), Q2, rtol=1e-5)


def test_clouds_are_the_same_as_of_a_model_of_one_setting(mixture: CloudRepresentation, samples: list[Events]) -> None:
    """Hadrons come back in the lab from the scores, whatever the beams."""
    for events in samples:
        one = mixture.at(beams_of(events))
        bundle = one.encode(events)
        masses = one.species.masses[bundle["cloud"].tokens] * bundle["cloud"].mask
        momentum, event = one.decode(
            bundle["cloud"].x, bundle["cloud"].tokens, masses, bundle["cloud"].mask, four_momenta(events.electron)
        )
        assert np.bincount(event).tolist() == (events.counts - 1).tolist()
        W = np.sqrt(dis_variables(four_momenta(events.electron), one.beams).W2)
        assert np.median(np.abs(np.bincount(event, momentum[:, 0]) / W - 1)) < 0.02  # but for the masses of resonances


def test_the_least_bias_is_the_least_q2() -> None:
    electron = CloudRepresentation.fit_mixture(
        [simulate_shard(DISSetting(Beams.parse("10x275"), 1.0, level=Level.PRIMARY), 200, seed=1, shard=0)]
    ).electron
    assert electron.least_bias(Cuts()) == 1.0
    assert electron.least_bias(Cuts(q2_min=25.0)) == 25.0


def test_unknown_beams_are_refused(samples: list[Events]) -> None:
    lost = samples[0].with_run(samples[0].run.with_(beams=None))
    with pytest.raises(InputError, match="do not say their beams"):
        CloudRepresentation.fit_mixture([samples[1], lost])
    assert ak.num(lost.particles).ndim == 1
