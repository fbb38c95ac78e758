"""Vectors of muons and jets: exact ways back, log-determinants from the Jacobian, and arcs that keep jets apart."""

import math
from itertools import pairwise, product

import awkward as ak
import numpy as np
import pytest
import torch
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.events import Events
from cloudchamber.physics.zjets import R_MIN, JetEvents, closest_pair, faults
from cloudchamber.represent.vector import STAGES, Layout, VectorRepresentation, VectorValues, values_of
from cloudchamber.represent.vector_map import AZIMUTHS, MUONS, THRESHOLDS, Azimuth, Muons, Threshold, VectorMap
from cloudchamber.tensors.rng import RowRng
from cloudchamber.tensors.support import Circle, Interval

CHOICES = [VectorMap(*choice) for choice in product(AZIMUTHS, (True, False), MUONS, THRESHOLDS)]


def fitted(
    events: Events, azimuth: Azimuth = "turned", layout: Layout = "chain", muons: Muons = "pt",
    threshold: Threshold = "logarithm",
) -> VectorRepresentation:  # fmt: skip
    return VectorRepresentation.fit(
        events, azimuth=azimuth, ordered=True, layout=layout, muons=muons, threshold=threshold
    )


@pytest.fixture
def three(zjets_events: Events) -> Tensor:
    """Values of events with three jets."""
    values, jets = values_of(zjets_events)
    return values[jets == 3]


@pytest.mark.parametrize("vector_map", CHOICES)
def test_coordinates_have_an_exact_way_back(three: Tensor, vector_map: VectorMap) -> None:
    for size in (9, 13, 17):
        values = three[:, :size]
        torch.testing.assert_close(vector_map.inverse(vector_map.forward(values)), values, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("vector_map", CHOICES)
def test_log_determinants_are_those_of_the_jacobian(three: Tensor, vector_map: VectorMap) -> None:
    for row in three[:5]:
        jacobian = torch.autograd.functional.jacobian(lambda v: vector_map.forward(v[None])[0], row)
        torch.testing.assert_close(torch.linalg.slogdet(jacobian).logabsdet, vector_map.log_det(row[None])[0])


def test_any_numbers_are_events_inside_the_cuts_on_pt(zjets_events: Events) -> None:
    representation = fitted(zjets_events)
    jets = torch.full((500,), 3)
    scores = [2 * torch.randn(500, size, generator=torch.Generator().manual_seed(1)) for size in representation.sizes]
    events = representation.decode(representation.values(scores, jets), torch.zeros(500).double(), zjets_events.run)
    pt = JetEvents.of(events).pt[:, 2:]
    assert (pt > 20).all()
    assert (np.diff(pt, axis=1) <= 0).all()


@pytest.mark.parametrize("azimuth", AZIMUTHS)
@pytest.mark.parametrize("layout", ["chain", "sequence"])
@pytest.mark.parametrize(("muons", "threshold"), [("pt", "logarithm"), ("mass", "edge")])
def test_events_come_back(
    zjets_events: Events, azimuth: Azimuth, layout: Layout, muons: Muons, threshold: Threshold
) -> None:
    representation = VectorRepresentation.from_state(fitted(zjets_events, azimuth, layout, muons, threshold).state())
    found = values_of(zjets_events)
    phi = torch.from_numpy(np.asarray(zjets_events.particles.phi[:, 0], dtype=np.float64))
    values = representation.values(representation.scores(found), found.jets)
    again = representation.decode(values, phi, zjets_events.run)
    assert np.array_equal(again.counts, zjets_events.counts)
    assert np.array_equal(again.flat("pdg_id"), zjets_events.flat("pdg_id"))
    for name in ("px", "py", "pz", "mass"):
        np.testing.assert_allclose(again.flat(name), zjets_events.flat(name), rtol=1e-4, atol=1e-4)
    assert not faults(again).any()


def test_scores_of_a_chain_are_white(zjets_events: Events) -> None:
    bundle = fitted(zjets_events).encode(zjets_events)
    for name in STAGES:
        exists = bundle[name].mask[:, 0]
        white = bundle[name].x[exists]
        torch.testing.assert_close(white.mean(0), torch.zeros(white.shape[1]), atol=1e-5, rtol=0)
        torch.testing.assert_close(white.T.cov(), torch.eye(white.shape[1]), atol=1e-4, rtol=0)
        assert not bundle[name].x[~exists].any()
    assert bundle["third"].context.shape == (len(zjets_events), 3 + 9 + 4)


def test_a_sequence_holds_what_exists(zjets_events: Events) -> None:
    batch = fitted(zjets_events, "circle", "sequence").encode(zjets_events)["event"]
    assert torch.equal(batch.mask.sum(1), torch.from_numpy(5 + 4 * (zjets_events.counts - 2)))
    assert not batch.x[~batch.mask].any()
    torch.testing.assert_close(batch.x[:, 4, 0].double(), values_of(zjets_events).values[:, 4], atol=1e-6, rtol=0)


@pytest.mark.parametrize("layout", ["chain", "sequence"])
def test_log_det_is_that_of_all_maps_together(zjets_events: Events, layout: Layout) -> None:
    representation = fitted(zjets_events, layout=layout)
    values, jets = values_of(zjets_events)
    for number in (1, 2, 3):
        size, row = 5 + 4 * number, int((jets == number).nonzero()[0, 0])
        one, rest = values[row, :size], values[row, size:]

        def scores(v: Tensor, rest: Tensor = rest, number: int = number, size: int = size) -> Tensor:
            found = VectorValues(torch.cat([v, rest])[None], torch.tensor([number]))
            return torch.cat(representation.scores(found), dim=1)[0, :size]

        expected = torch.linalg.slogdet(torch.autograd.functional.jacobian(scores, one)).logabsdet
        found = representation.log_det(VectorValues(values[row : row + 1], jets[row : row + 1]))
        torch.testing.assert_close(found[0], expected)


@pytest.mark.parametrize("column", [12, 16])
def test_arcs_are_where_jets_would_be_too_close(zjets_events: Events, column: int) -> None:
    representation, number = fitted(zjets_events, "circle", "sequence"), column // 4 - 1
    values, jets = values_of(zjets_events)
    chosen = values[jets == 3][:8]
    chosen[:, 10], chosen[:, 12] = chosen[:, 6] + 0.25, chosen[:, 8] + 1.0
    chosen[:, 14] = chosen[:, 10] + 0.1
    for phi in np.linspace(-math.pi, math.pi, 101):
        chosen[:, column] = phi
        found = VectorValues(chosen, torch.full((8,), number))
        support = representation.rules().support(column, representation.scores(found)[0])
        assert isinstance(support, Circle)
        arcs = support.arcs
        assert arcs is not None
        apart = torch.remainder(phi - arcs.centre + math.pi, 2 * math.pi) - math.pi
        events = representation.decode(found, torch.zeros(8).double(), zjets_events.run)
        close = closest_pair(JetEvents.of(events)) < R_MIN
        assert np.array_equal((apart.abs() < arcs.half_width).any(1).numpy(), close)


@pytest.mark.parametrize("column", [12, 16])
def test_shells_are_steps_of_delta_r(zjets_events: Events, column: int) -> None:
    representation, found = fitted(zjets_events, "circle", "sequence"), values_of(zjets_events)
    rules = representation.rules()
    rows = representation.scores(found)[0][found.jets == 3]
    values = found.values[found.jets == 3]
    gap = torch.linspace(0, 1, len(rows)).double()
    rows[:, column - 2] += (values[:, 6] + gap - values[:, column - 2]) / rules.scale[column - 2]
    support = rules.support(column, rows)
    assert isinstance(support, Circle)
    assert support.arcs is not None
    assert support.shells is not None
    assert support.shells.shape[1:] == (column // 4 - 2, rules.SHELLS[1])
    turn = torch.linspace(-math.pi, math.pi, 203).double()
    shell = support.shell(turn + support.arcs.centre[:, :1])[..., 0]
    delta_r = torch.hypot(gap[:, None], turn)
    steps = [delta_r[shell == number] for number in range(rules.SHELLS[1] + 2)]
    assert all(below.max() <= above.min() for below, above in pairwise(steps))
    assert steps[0].max() == pytest.approx(R_MIN, abs=0.01)
    assert steps[-1].min() == pytest.approx(1.7, abs=0.01)


def test_only_azimuths_of_later_jets_avoid_arcs(zjets_events: Events) -> None:
    representation = fitted(zjets_events, "circle", "sequence")
    rows, rules = representation.scores(values_of(zjets_events))[0], representation.rules()
    supports = [rules.support(column, rows) for column in range(17)]
    assert [c for c, one in enumerate(supports) if isinstance(one, Circle)] == [4, 8, 12, 16]
    assert [c for c, one in enumerate(supports) if isinstance(one, Circle) and one.arcs is not None] == [12, 16]


def test_edges_of_pt_are_the_threshold_and_the_jet_before(zjets_events: Events) -> None:
    representation = fitted(zjets_events, "circle", "sequence", "mass", "edge")
    values, jets = values_of(zjets_events)
    rows, rules = representation.scores(VectorValues(values, jets))[0][jets == 3], representation.rules()
    assert [c for c in range(17) if isinstance(rules.support(c, rows), Interval)] == [5, 9, 13]
    for column, before in ((9, 5), (13, 9)):
        support = rules.support(column, rows)
        assert isinstance(support, Interval)
        for side, expected in ((support.low, torch.tensor(20.0)), (support.high, values[jets == 3][:, before])):
            rows[:, column] = side
            pt = representation.values([rows], jets[jets == 3]).values[:, column]
            torch.testing.assert_close(pt, expected.double().expand_as(pt))
            rows[:, column] = representation.scores(VectorValues(values, jets))[0][jets == 3][:, column]


def test_jets_recoil_from_the_sum_of_what_is_before(zjets_events: Events) -> None:
    representation = fitted(zjets_events, "circle", "sequence", "mass", "edge")
    found = values_of(zjets_events)
    there = found.jets > 1
    known = representation.rules().recoil(12, representation.scores(found)[0][there])
    chosen = zjets_events[np.flatnonzero(there.numpy())].particles[:, :3]
    total = ak.sum(chosen.px, axis=1), ak.sum(chosen.py, axis=1), ak.sum(chosen.pz, axis=1)
    energy = ak.sum(np.sqrt(chosen.px**2 + chosen.py**2 + chosen.pz**2 + chosen.mass**2), axis=1)
    px, py, pz = (np.asarray(column, dtype=np.float64) for column in total)
    phi = np.asarray(zjets_events.particles.phi[:, 0], dtype=np.float64)[there.numpy()]
    turn = np.remainder(np.arctan2(-py, -px) - phi - known.direction.numpy() + math.pi, 2 * math.pi) - math.pi
    assert np.abs(turn).max() < 1e-3
    rapidity = np.log((energy + pz) / (energy - pz)) / 2
    np.testing.assert_allclose(known.told[:, 2].numpy(), rapidity, atol=1e-4)
    np.testing.assert_allclose(50 * np.exp(known.told[:, 0].numpy()), np.hypot(px, py), rtol=1e-3, atol=0.1)


def test_earlier_jets_are_told_before_an_azimuth(zjets_events: Events) -> None:
    """Where they are from the direction and in pseudorapidity, and the forbidden arc; zeros for what is not known."""
    representation = fitted(zjets_events, "circle", "sequence", "mass", "edge")
    found, rules = values_of(zjets_events), representation.rules()
    rows = representation.scores(found)[0][found.jets == 3]
    values = found.values[found.jets == 3]
    known = rules.recoil(16, rows)
    for k in (0, 1):
        cosine, sine, gap, arc, *bumps = known.told[:, 5 + 7 * k : 12 + 7 * k].double().T
        turn = values[:, 8 + 4 * k] - known.direction
        expected = torch.stack([turn.cos(), turn.sin()])
        torch.testing.assert_close(torch.stack([cosine, sine]), expected, atol=1e-4, rtol=0)
        torch.testing.assert_close(gap, values[:, 14] - values[:, 6 + 4 * k], atol=1e-4, rtol=0)
        support = rules.support(16, rows)
        assert isinstance(support, Circle)
        assert support.arcs is not None
        forbidden = (0.16 - gap.square()).clamp(min=0).sqrt()
        torch.testing.assert_close(arc, forbidden, atol=2e-3, rtol=0)
        for width, bump in zip((0.5, 1.0, 2.0), bumps, strict=True):
            torch.testing.assert_close(bump, (-((gap / width) ** 2) / 2).exp(), atol=1e-4, rtol=0)
    for k in (0, 1):
        gap = values[:, 14] - values[:, 6 + 4 * k]
        beside = known.near[:, 2 * k : 2 * k + 2] - values[:, 8 + 4 * k, None]
        delta_r = torch.hypot(beside, gap[:, None])
        torch.testing.assert_close(delta_r, gap.abs().clamp(min=0.55)[:, None].expand(-1, 2), atol=1e-4, rtol=0)
        assert (beside[:, 0] <= 0).all()
        assert (beside[:, 1] >= 0).all()
        expected = torch.hypot(gap, torch.tensor(0.4).double()).clamp(max=1)[:, None].expand(-1, 2)
        torch.testing.assert_close(known.reach[:, 2 * k : 2 * k + 2], expected, atol=1e-4, rtol=0)
    assert (rules.recoil(13, rows).near == 0).all()
    assert (rules.recoil(14, rows).reach == 1).all()
    for k, near in enumerate(rules.recoil(14, rows).near.T):
        moved = rows.clone()
        moved[:, 14] = near
        eta = representation.values([moved], found.jets[found.jets == 3]).values[:, 14]
        side = 0.55 if k % 2 else -0.55
        torch.testing.assert_close(eta - values[:, 6 + 4 * (k // 2)], torch.full_like(eta, side), atol=1e-4, rtol=0)
    assert (rules.recoil(10, rows).near[:, 2:] == 0).all()
    assert (rules.recoil(8, rows).told[:, 5:] == 0).all()
    assert (rules.recoil(14, rows).told[:, [8, 9, 10, 11]] == 0).all()
    assert (rules.recoil(12, rows).told[:, 12:] == 0).all()
    before = rules.recoil(13, rows).told
    rows[:, 13:] = 7.0
    assert torch.equal(rules.recoil(13, rows).told, before)


def test_other_events_are_refused(primary_events: Events, zjets_events: Events) -> None:
    with pytest.raises(InputError, match="simulate zjets"):
        values_of(primary_events)
    muons = zjets_events.select(ak.local_index(zjets_events.particles) < 2)
    with pytest.raises(InputError, match="simulate zjets"):
        values_of(muons)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [("pdg_id", 22, "another particle"), ("px", np.nan, "not a finite number"), ("mass", 0.0, "not positive")],
)
def test_events_that_nothing_can_learn_are_refused(zjets_events: Events, column: str, value: float, words: str) -> None:
    columns = {name: zjets_events.flat(name).copy() for name in zjets_events.columns}
    columns[column][zjets_events.offsets[3] + 2] = value
    with pytest.raises(InputError, match=words):
        fitted(Events.from_flat(zjets_events.counts, columns, run=zjets_events.run))


def test_jets_outside_of_the_cuts_are_refused_with_their_share(zjets_events: Events) -> None:
    columns = {name: zjets_events.flat(name).copy() for name in zjets_events.columns}
    place = zjets_events.offsets[:-1][:10] + 2
    columns["px"][place], columns["py"][place] = 3.0, 4.0
    share = f"{100 * 10 / len(zjets_events):.2g} % of the events are not jets in falling pT above 20 GeV"
    with pytest.raises(InputError, match=share):
        fitted(Events.from_flat(zjets_events.counts, columns, run=zjets_events.run))


def test_mirror_images_have_the_other_signs_of_two_momenta(zjets_events: Events) -> None:
    representation = fitted(zjets_events, "circle", "sequence", "mass", "edge")
    found, rules = values_of(zjets_events), representation.rules()
    rows = representation.scores(found)[0]
    images = representation.values([rules.mirrored(rows, RowRng((3,), len(rows)))], found.jets).values
    draws = RowRng((3,), len(rows)).uniform(2) < 0.5
    assert 0.45 < float(draws.double().mean()) < 0.55
    for column in range(found.values.shape[1]):
        there = found.jets > (column - 5) // 4
        sign = torch.ones(len(rows)).double()
        if column in (4, 8, 12, 16):
            sign = 1.0 - 2.0 * draws[:, 0]
        elif column in (1, 3, 6, 10, 14):
            sign = 1.0 - 2.0 * draws[:, 1]
        torch.testing.assert_close(
            images[there, column], sign[there] * found.values[there, column], atol=1e-4, rtol=1e-4
        )
