"""Which beams and cuts a model serves, in words and in numbers."""

import numpy as np
import pytest
import torch

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Cuts, Events, Level
from cloudchamber.generate.pipeline import Solver
from cloudchamber.recipes.build import build_model
from cloudchamber.recipes.config import Preset, load_preset
from cloudchamber.recipes.domain import domain_of
from cloudchamber.recipes.phase_space import PhaseSpace, cross_section_of, resolve, table_named
from cloudchamber.recipes.store import Card, TrainedModel, pretrained_folder, read_card
from cloudchamber.recipes.survey import survey
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.simulate.pythia import DISSetting, simulate_shard


@pytest.fixture(scope="module")
def samples() -> list[Events]:
    settings = [DISSetting(Beams.parse(name), 1.0, level=Level.PRIMARY, flat_q2=True) for name in ("5x41", "18x275")]
    return [simulate_shard(setting, 400, seed=5, shard=0) for setting in settings]


@pytest.fixture(scope="module")
def untrained(samples: list[Events]) -> TrainedModel:
    """A model of any beams whose networks are as they are made."""
    preset = load_preset("ep-dis").model_copy(update={"name": "untrained"})
    small = Preset.model_validate(
        {**preset.model_dump(mode="json"), "electron": {"beams": "any", "width": 8, "depth": 1},
         "species": {"width": 8, "depth": 1}, "cloud": {"width": 8, "depth": 1, "heads": 2, "expansion": 1}}
    )  # fmt: skip
    representation = CloudRepresentation.fit_mixture(samples)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = build_model(small, representation).eval()
    data = samples[0].run.with_(beams=None, cross_section_pb=None, cross_section_error_pb=None)
    card = Card(preset=small, data=data, events=800, fingerprint="", versions={}, domain=domain_of(samples))
    return TrainedModel(card, representation, model, "")


def wanted(beams: str | None = None, **cuts: float) -> PhaseSpace:
    return PhaseSpace.of({"beams": beams, **cuts})


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (wanted(), "knows many beams; choose some with --beams"),
        (wanted("4x41"), "trained from 28.6 to 140.7 GeV; add --extrapolate"),
        (wanted("20x275"), "--extrapolate"),
        (wanted("5x41", q2_min=0.5), "below 1 GeV2, the least the model has learnt"),
        (wanted("5x41", q2_min=900), "at most 820 GeV2"),
        (wanted("5x41", q2_min=700, y_max=0.5), "at most 410 GeV2"),
        (wanted("5x41", q2_max=2, x_min=0.5, y_min=0.5), "at least 205 GeV2"),
        (wanted("5x41", y_min=0.5, y_max=0.5), "on y leave nothing"),
        (wanted("5x41", x_min=1.0), "on x leave nothing"),
        (wanted("5x41", q2_min=10, q2_max=5), "on Q2 leave nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_refused(untrained: TrainedModel, asked: PhaseSpace, sentence: str) -> None:
    with pytest.raises(InputError) as refusal:
        resolve(untrained.card, asked)
    assert sentence in str(refusal.value)
    assert str(refusal.value).count("\n") == 0


def test_beams_outside_are_served_on_demand(untrained: TrainedModel) -> None:
    run = resolve(untrained.card, PhaseSpace.of({"beams": "20x275", "extrapolate": True}))
    assert run.beams == Beams.parse("20x275")
    assert (run.cuts.q2_min, run.cuts.pt_electron_min) == (1.0, 1.0)


def test_cuts_that_leave_too_little_end_with_a_sentence(untrained: TrainedModel) -> None:
    with pytest.raises(InputError, match=r"of 131,072 electrons .* loosen them"):
        survey(untrained, wanted("5x41", q2_min=800, x_max=0.98), Solver(calls=1, sampler="euler"), "cpu")


def test_a_survey_draws_more_where_less_is_kept(untrained: TrainedModel) -> None:
    solver = Solver(calls=1, sampler="euler")
    loose, tight = (survey(untrained, wanted("18x275", q2_min=q), solver, "cpu") for q in (1.0, 300.0))
    assert loose.region is not None
    assert tight.region is not None
    assert loose.region.candidates < tight.region.candidates
    assert tight.data.cuts.q2_min == 300.0
    assert tight.data.beams == Beams.parse("18x275")
    assert survey(untrained, wanted("18x275"), solver, "cpu", drawn=False).data.cross_section_pb is None


def test_models_of_one_setting_stay_as_they_are() -> None:
    card = read_card(pretrained_folder() / "ep-dis-10x275.json")
    assert resolve(card, PhaseSpace()) == PhaseSpace(beams=Beams.parse("10x275"), cuts=card.data.cuts)
    with pytest.raises(InputError, match="trained at 10x275 only"):
        resolve(card, wanted("18x275"))


def test_the_table_agrees_with_fresh_events(untrained: TrainedModel) -> None:
    """Weighted events of another seed, with showers and hadrons, which the table does not know of."""
    from cloudchamber.physics.dis import dis_variables, within
    from cloudchamber.represent.cloud import four_momenta

    beams = Beams.parse("10x130")
    events = simulate_shard(DISSetting(beams, 1.0, level=Level.PRIMARY, flat_q2=True), 6_000, seed=77, shard=0)
    variables = dis_variables(four_momenta(events.electron), beams)
    for cuts in (Cuts(q2_min=1.0), Cuts(q2_min=10.0, y_max=0.95), Cuts(q2_min=30.0, q2_max=300.0, x_min=0.02)):
        inside = within(variables, cuts)
        share = events.weight[inside].sum() / events.weight.sum()
        error = np.sqrt((events.weight[inside] ** 2).sum()) / events.weight[inside].sum()
        assert events.run.cross_section_pb is not None
        found = cross_section_of(untrained.card, PhaseSpace(beams=beams, cuts=cuts))
        assert found is not None
        assert found.error < 0.01 * found.value
        assert found.value == pytest.approx(share * events.run.cross_section_pb, rel=4 * np.hypot(error, 0.01))


def test_unknown_tables_and_energies_have_no_cross_section(untrained: TrainedModel) -> None:
    far = PhaseSpace(beams=Beams.parse("100x7000"), cuts=Cuts(q2_min=1.0))
    assert cross_section_of(untrained.card, far) is None
    with pytest.raises(InputError, match="'nothing' does not exist"):
        table_named("nothing")


def test_flags_are_what_a_user_would_type() -> None:
    asked = PhaseSpace.of({"beams": "18x275", "q2_min": 10, "y_max": 0.95, "extrapolate": True})
    assert asked.flags == " --beams 18x275 --q2-min 10 --y-max 0.95 --extrapolate"
    assert PhaseSpace().flags == ""
    fine = [PhaseSpace.of({"beams": "10.0000001x275", "q2_min": q2}).flags for q2 in (30.12346, 30.12354)]
    assert fine == [f" --beams 10.0000001x275 --q2-min {q2}" for q2 in ("30.12346", "30.12354")]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_cuts_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(InputError, match=f"--q2-min {value} is impossible: give a finite number"):
        wanted(q2_min=value)
