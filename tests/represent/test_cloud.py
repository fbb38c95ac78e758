"""Events to tensors and back at both levels, with unit-normal scores and the Jacobian they claim."""

from dataclasses import replace

import awkward as ak
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Events, RunInfo
from cloudchamber.physics.dis import dis_variables, hadronic_tetrad, to_frame
from cloudchamber.represent.cloud import CloudRepresentation, four_momenta, to_lab

BEAMS = Beams(electron=10, hadron=275)
Array = NDArray[np.float64]


def test_decoding_undoes_encoding(representation: CloudRepresentation, sample: Events) -> None:
    events = sample[:500]
    bundle, species = representation.encode(events), representation.species
    cloud, mask = bundle["cloud"], bundle["cloud"].mask
    assert mask is not None
    assert cloud.tokens is not None
    assert cloud.token_context is not None
    masses = species.draw_masses(cloud.tokens, cloud.token_context[..., 0]) * mask
    scattered = four_momenta(events.electron)
    inside, event = representation.decode(cloud.x, cloud.tokens, masses, mask, scattered)
    made = to_lab(inside, event, scattered, BEAMS)
    pdg_ids = ak.to_numpy(ak.flatten(events.hadronic.pdg_id))
    order = np.lexsort((species.index(pdg_ids), event))
    expected = four_momenta(ak.flatten(events.hadronic))[order]
    assert np.array_equal(species.pdg_ids[cloud.tokens[mask]].numpy(), pdg_ids[order])
    error = np.abs(made - expected) / expected[:, :1]
    assert np.quantile(error, 0.99) < 3e-6
    assert error.max() < 1e-4


def test_particles_come_in_the_order_of_the_species_table(representation: CloudRepresentation, sample: Events) -> None:
    part = representation.encode(sample[:200])["species"]
    assert part.mask is not None
    kinds = part.x[..., 0].masked_fill(~part.mask, len(representation.species))
    assert (kinds.diff(dim=1) >= 0).all()
    assert np.array_equal(part.lengths.numpy(), sample[:200].counts - 1)


def test_scores_are_near_a_unit_normal(representation: CloudRepresentation, sample: Events) -> None:
    cloud = representation.encode(sample)["cloud"]
    scores = cloud.x[cloud.mask].double().numpy()
    assert np.abs(scores.mean(0)).max() < 0.05
    np.testing.assert_allclose(scores.std(0), 1, atol=0.03)
    for column in scores.T:
        assert stats.kstest(column, "norm").statistic < 0.02


def test_nothing_but_zeros_is_padding(representation: CloudRepresentation, sample: Events) -> None:
    bundle = representation.encode(sample[:100])
    hole = ~bundle["cloud"].mask
    for tensor in (bundle["cloud"].x, bundle["cloud"].token_context, bundle["cloud"].tokens, bundle["species"].x):
        assert not tensor[hole].any()


def test_the_context_tells_the_electron_w_and_the_multiplicity(
    representation: CloudRepresentation, sample: Events
) -> None:
    events = sample[:300]
    bundle = representation.encode(events)
    context = bundle["cloud"].context.numpy()
    W = np.sqrt(dis_variables(four_momenta(events.electron), BEAMS).W2)
    np.testing.assert_array_equal(context[:, :2], bundle["electron"].x.numpy())
    np.testing.assert_allclose(context[:, 2], np.log(W) - 3.5, atol=1e-4)
    np.testing.assert_allclose(context[:, 3], np.log((events.counts - 1) / 10), atol=1e-6)
    np.testing.assert_array_equal(bundle["species"].context.numpy(), context[:, :3])


def test_scores_do_not_know_the_direction_of_the_lab(representation: CloudRepresentation, sample: Events) -> None:
    """Turning an event about the beam changes nothing but rounding."""
    events, turn = sample[:100], 2.0
    particles = ak.values_astype(events.particles, np.float64)
    px = particles.px * np.cos(turn) - particles.py * np.sin(turn)
    py = particles.px * np.sin(turn) + particles.py * np.cos(turn)
    columns = {"px": px, "py": py} | {name: particles[name] for name in ("pz", "mass", "pdg_id")}
    turned = Events(ak.zip(columns, with_name="Momentum4D"), events.weight, events.run)
    before, after = representation.encode(events), representation.encode(turned)
    torch.testing.assert_close(after["electron"].x, before["electron"].x, rtol=0, atol=1e-4)
    assert (after["cloud"].x - before["cloud"].x).abs().quantile(0.99) < 1e-3


def test_log_det_is_the_numerical_jacobian(representation: CloudRepresentation, sample: Events) -> None:
    """d(scores) / (d^3p / E) by central differences in lab momenta, from the definition of the scores.

    The determinant in lab momenta times E is the one in any other frame: d^3p / E is invariant.
    """
    events = sample[:30]
    scattered = four_momenta(events.electron)
    event = np.repeat(np.arange(len(events)), events.counts - 1)
    flat = ak.flatten(events.hadronic)
    mass = ak.to_numpy(flat.mass).astype(np.float64)
    index = torch.from_numpy(representation.species.index(ak.to_numpy(flat.pdg_id)))
    row = representation.pool[index]
    scale = np.log(np.sqrt(dis_variables(scattered, BEAMS).W2) / 0.4)[event]
    tetrad = hadronic_tetrad(scattered, BEAMS)[event]

    def scores(p: Array) -> Array:
        energy = np.sqrt((p**2).sum(-1) + mass**2)
        _, px, py, pz = to_frame(np.concatenate([energy[:, None], p], axis=1), tetrad).T
        pt = np.hypot(px, py)
        rapidity = np.arcsinh(pz / np.hypot(pt, mass))
        length = representation.transverse.forward(torch.from_numpy(pt), row).numpy()
        u3 = representation.longitudinal.forward(torch.from_numpy(rapidity / scale), row).numpy()
        return np.stack([length * px / pt, length * py / pt, u3], axis=-1)

    momentum = four_momenta(flat)[:, 1:]
    h = 1e-6 * np.sqrt((momentum**2).sum(-1) + mass**2)[:, None]
    columns = [(scores(momentum + h * axis) - scores(momentum - h * axis)) / (2 * h) for axis in np.eye(3)]
    energy = np.sqrt((momentum**2).sum(-1) + mass**2)
    each = np.log(np.abs(np.linalg.det(np.stack(columns, axis=-1))) * energy)
    error = np.abs(representation.log_det(events).numpy() - np.bincount(event, each))
    assert np.median(error) < 1e-3
    assert np.quantile(error, 0.8) < 0.05  # the differences of a few particles straddle a knot


def test_state_holds_the_whole_representation(representation: CloudRepresentation, sample: Events) -> None:
    again = CloudRepresentation.from_state({name: tensor.clone() for name, tensor in representation.state().items()})
    before, after = representation.encode(sample[:50]), again.encode(sample[:50])
    for name in before.parts:
        assert torch.equal(before[name].x, after[name].x)
    assert torch.equal(again.log_det(sample[:50]), representation.log_det(sample[:50]))
    assert again.beams == BEAMS
    assert again.electron.pt_min == representation.electron.pt_min


def test_events_that_do_not_belong_are_refused(representation: CloudRepresentation, sample: Events) -> None:
    other = sample.with_run(sample.run.with_(beams=Beams(electron=5, hadron=41)))
    with pytest.raises(InputError, match="beams 5x41, but this model was fitted at 10x275"):
        representation.encode(other)
    with pytest.raises(InputError, match="beams unknown"):
        representation.encode(sample.with_run(RunInfo()))
    with pytest.raises(InputError, match="do not say their beams"):
        CloudRepresentation.fit(sample.with_run(RunInfo()))
    particles = sample[:3].particles
    strange = replace(sample[:3], particles=ak.with_field(particles, 0 * particles.pdg_id + 5332, "pdg_id"))
    with pytest.raises(InputError, match="5332"):
        representation.encode(strange)
