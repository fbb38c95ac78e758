"""A preset becomes a cascade whose species carry the charges that its level conserves."""

from pathlib import Path

import numpy as np
import pytest

from cloudchamber.events import Events, Level
from cloudchamber.models.autoregressive import MultisetModel
from cloudchamber.physics.conservation import sum_per_event
from cloudchamber.physics.pdg import quantum_table
from cloudchamber.recipes.build import build_model, conserved_columns
from cloudchamber.recipes.config import load_preset
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.tensors.rng import RowRng


@pytest.mark.parametrize("level", [Level.PRIMARY, Level.STABLE])
def test_simulated_events_conserve_these_columns_and_no_more(
    level: Level, primary_events: Events, stable_events: Events
) -> None:
    events = primary_events if level is Level.PRIMARY else stable_events
    residual = sum_per_event(events, quantum_table(events.flat("pdg_id"))) - quantum_table([11, 2212]).sum(0)
    assert not residual[:, conserved_columns(level)].any()
    if level is Level.STABLE:
        assert residual[:, 5:].any()


def test_net_flavours_imply_charge_and_baryon_number(primary_events: Events) -> None:
    """3 Q = 2 (u + c) - (d + s + b) and 3 B = sum of flavours, for every hadron without K0S and K0L."""
    pdg_ids = np.unique(primary_events.flat("pdg_id"))
    hadrons = quantum_table(pdg_ids[(abs(pdg_ids) > 100) & (pdg_ids != 130) & (pdg_ids != 310)])
    d, u, s, c, b = hadrons[:, 5:].T
    assert np.array_equal(hadrons[:, 0], 2 * (u + c) - (d + s + b))
    assert np.array_equal(3 * hadrons[:, 1], d + u + s + c + b)


def test_the_cascade_fits_the_representation(tiny_toml: Path, tiny_events: Events) -> None:
    representation = CloudRepresentation.fit(tiny_events)
    model = build_model(load_preset(str(tiny_toml)), representation)
    assert list(model.parts()) == ["electron", "species", "cloud"]
    rows = representation.encode(tiny_events[:20])
    losses = model.losses(rows, RowRng((1,), 20))
    assert set(losses) == {"electron.denoising", "species.nll", "cloud.denoising"}
    for loss in losses.values():
        assert loss.shape == (20,)
        assert loss.isfinite().all()
    species = model["species"]
    assert isinstance(species, MultisetModel)
    kinds, mask = rows["species"].x[..., 0], rows["species"].mask
    carried = (species.charges[kinds] * mask[..., None]).sum(1)
    assert (carried == species.total).all()


@pytest.mark.parametrize(("option", "part"), [({"pairs": True}, ".pairs."), ({"neighbours": 3}, ".local.")])
def test_options_reach_the_network_of_the_cloud(
    tiny_toml: Path, tiny_events: Events, option: dict[str, int], part: str
) -> None:
    representation, preset = CloudRepresentation.fit(tiny_events), load_preset(str(tiny_toml))
    told = preset.model_copy(update={"cloud": preset.cloud.model_copy(update=option)})
    plain, model = build_model(preset, representation), build_model(told, representation)
    more = set(model.state_dict()) - set(plain.state_dict())
    assert more
    assert all(part in name for name in more)
    rows = representation.encode(tiny_events[:20])
    model.losses(rows, RowRng((1,), 20))["cloud.denoising"].mean().backward()
    assert model["cloud"].denoiser.net.outputs.weight.grad.any()
