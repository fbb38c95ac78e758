"""Features of pairs from scores: those of the decoded momenta, and finite wherever a network may look."""

from dataclasses import replace

import numpy as np
import torch

from cloudchamber.events import Events
from cloudchamber.represent.cloud import CloudRepresentation, four_momenta
from cloudchamber.represent.pair_kinematics import PairKinematics


def test_features_of_data_are_those_of_the_momenta(representation: CloudRepresentation, sample: Events) -> None:
    events = sample[:200]
    cloud = representation.encode(events)["cloud"]
    assert cloud.mask is not None
    assert cloud.tokens is not None
    features = PairKinematics(representation)(cloud.x, cloud)
    masses = representation.species.masses[cloud.tokens] * cloud.mask
    inside, event = representation.decode(cloud.x, cloud.tokens, masses, cloud.mask, four_momenta(events.electron))
    place = np.concatenate([np.arange(n) for n in cloud.lengths.tolist()])
    momentum = np.zeros((*cloud.mask.shape, 4))
    momentum[event, place] = inside
    both = momentum[:, :, None] + momentum[:, None]
    total = (masses[:, :, None] + masses[:, None]).numpy()
    Q = np.sqrt(np.maximum(both[..., 0] ** 2 - (both[..., 1:] ** 2).sum(-1), 0)) - total
    expected = np.log(np.maximum(Q, 0) + 1e-2) / 2
    real = (cloud.mask[:, :, None] & cloud.mask[:, None]).numpy() & ~np.eye(cloud.mask.shape[1], dtype=bool)
    error = np.abs(features[..., 0].numpy() - expected)[real]
    assert np.quantile(error, 0.9) < 0.03
    cosine = features[..., 2].numpy()
    pt = np.hypot(momentum[..., 1], momentum[..., 2])
    dot = (momentum[:, :, None, 1:3] * momentum[:, None, :, 1:3]).sum(-1) / np.maximum(
        pt[:, :, None] * pt[:, None], 1e-9
    )
    assert np.abs(cosine - dot)[real].max() < 0.02


def test_features_are_finite_and_moderate_on_noise_and_padding(
    representation: CloudRepresentation, sample: Events
) -> None:
    cloud = representation.encode(sample[:100])["cloud"]
    noise = 5 * torch.randn(cloud.x.shape, generator=torch.Generator().manual_seed(2))
    for x in (noise, torch.zeros_like(noise), 1e6 * noise):
        features = PairKinematics(representation)(x, replace(cloud, x=x))
        assert features.isfinite().all()
        assert features.abs().max() < 6


def test_features_have_finite_slopes(representation: CloudRepresentation, sample: Events) -> None:
    cloud = representation.encode(sample[:20])["cloud"]
    x = cloud.x.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(PairKinematics(representation)(x, cloud).sum(), x)
    assert slope.isfinite().all()


def test_it_adds_nothing_to_the_weights(representation: CloudRepresentation) -> None:
    assert not PairKinematics(representation).state_dict()
