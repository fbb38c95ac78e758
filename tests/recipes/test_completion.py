"""Given electrons stay as they are, bit by bit, and what a model cannot complete is refused with a reason."""

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Events, Level
from cloudchamber.formats import files, parquet
from cloudchamber.physics.dis import dis_variables
from cloudchamber.recipes.completion import completion_of, read_completion
from cloudchamber.recipes.generation import GenerationSetting, Generator, generate_file, load
from cloudchamber.represent.cloud import four_momenta
from cloudchamber.simulate.pythia import DISSetting, simulate_shard


@pytest.fixture(scope="module")
def generator() -> Generator:
    return load("ep-dis-10x275")


@pytest.fixture(scope="module")
def pythia() -> Events:
    events = simulate_shard(DISSetting(Beams.parse("10x275"), 30.0, level=Level.STABLE), 300, seed=8, shard=0)
    return Events(events.particles, np.linspace(0.5, 2.0, 300), events.run)


def same_electrons(one: Events, other: Events) -> bool:
    return all(
        np.array_equal(ak.to_numpy(one.particles[:, 0][name]), ak.to_numpy(other.particles[:, 0][name]))
        for name in ("pdg_id", "px", "py", "pz", "mass")
    )


def test_electrons_and_weights_stay_and_four_momentum_is_exact(generator: Generator, pythia: Events) -> None:
    events = generator.complete(pythia, seed=2, calls=2)
    assert same_electrons(events, pythia)
    assert np.array_equal(events.weight, pythia.weight)
    for name in ("px", "py"):
        assert np.abs(ak.to_numpy(ak.sum(events.particles[name], axis=1))).max() < 1e-9
    energy = ak.to_numpy(ak.sum(events.particles.E, axis=1))
    assert np.abs(energy - energy.mean()).max() < 1e-9
    assert events.run.cross_section_pb == pythia.run.cross_section_pb
    assert events.run.cuts.q2_min == 30.0


def test_hadrons_follow_their_electron(generator: Generator, pythia: Events) -> None:
    """Two electrons that differ much, each completed many times: W decides how many particles there are."""
    order = np.argsort(dis_variables(four_momenta(pythia.electron), Beams.parse("10x275")).W2)
    chosen = np.repeat(order[[0, -1]], 150)
    events = generator.complete(pythia[chosen], seed=3, calls=2, decay=False)
    assert same_electrons(events, pythia[chosen])
    few, many = events.counts[:150].mean(), events.counts[150:].mean()
    assert few + 4 < many
    assert len(set(events.counts[150:].tolist())) > 5


def test_a_file_of_electrons_alone_is_enough(generator: Generator, pythia: Events, tmp_path: Path) -> None:
    first = pythia.particles[:, :1]
    alone = Events.from_flat(
        np.ones(300), {n: ak.to_numpy(ak.flatten(first[n])) for n in pythia.columns}, None, pythia.run
    )
    parquet.write(tmp_path / "electrons.parquet", alone)
    completion = read_completion(tmp_path / "electrons.parquet", generator.trained.card)
    setting = GenerationSetting(seed=2, calls=1, history=True, completion=completion)
    generate_file(generator, tmp_path / "a.hepmc3", events=300, setting=setting, workers=2)
    events = files.read(tmp_path / "a.hepmc3")
    assert same_electrons(events.final_state(), alone)
    assert events.run.provenance["electrons"] == "electrons.parquet"
    assert len(events.run.provenance["electrons_sha256"]) == 64
    assert "--electrons electrons.parquet" in events.run.provenance["command"]


def test_the_file_of_electrons_is_kept(generator: Generator, pythia: Events, tmp_path: Path) -> None:
    source = tmp_path / "electrons.parquet"
    parquet.write(source, pythia)
    setting = GenerationSetting(seed=2, calls=1, completion=read_completion(source, generator.trained.card))
    with pytest.raises(InputError, match="both source and target"):
        generate_file(generator, source, events=300, setting=setting)


def changed(events: Events, row: int, **values: Any) -> Events:  # noqa: ANN401
    columns = {name: events.flat(name).copy() for name in events.columns}
    for name, value in values.items():
        columns[name][events.offsets[row]] = value
    return Events.from_flat(events.counts, columns, events.weight, events.run)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"pdg_id": 211}, "first particle of event 7 of 'mine' is no electron but 211"),
        ({"px": 0.01, "py": 0.0}, "electron of event 7 of 'mine' has .* below .* \\(1 of 300 events are so\\)"),
        ({"pz": 400.0}, "event 7 of 'mine' is beyond the kinematic limit"),
    ],
)
def test_electrons_that_cannot_be_completed_are_named(
    generator: Generator, pythia: Events, values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        completion_of(changed(pythia, 7, **values), generator.trained.card, "mine")


def test_other_beams_and_other_models_are_refused(generator: Generator, pythia: Events) -> None:
    card = generator.trained.card
    other = pythia.with_run(pythia.run.with_(beams=Beams.parse("18x275")))
    with pytest.raises(InputError, match="has beams 18x275, but the model was trained at 10x275"):
        completion_of(other, card, "mine")
    published = card.model_copy(update={"preset": card.preset.model_copy(update={"family": "omnilearn"})})
    with pytest.raises(InputError, match="cannot complete electrons"):
        completion_of(pythia, published, "mine")
    with pytest.raises(InputError, match="at least one particle"):
        completion_of(pythia[:0], card, "mine")
