"""Settings, devices and metadata of a generation run; what a shipped model makes is tested in `laws`."""

import pickle
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from cloudchamber.errors import InputError
from cloudchamber.process.sampler import SAMPLERS
from cloudchamber.recipes.generation import GenerationSetting, Generator, generate_file, load
from cloudchamber.recipes.machine import default_workers


@pytest.mark.parametrize(
    ("setting", "word"),
    [({"seed": -1}, "--seed -1"), ({"calls": 0}, "--calls 0"), ({"calls": -3}, "--calls -3"),
     ({"sampler": "rk45"}, "'rk45' is unknown; choose one of euler, heun, midpoint")],
)  # fmt: skip
def test_impossible_settings_are_refused(setting: dict[str, object], word: str) -> None:
    with pytest.raises(InputError, match=word):
        GenerationSetting(**setting)  # type: ignore[arg-type]


@pytest.fixture
def generator(saved: Path) -> Generator:
    return load(str(saved))


@pytest.mark.parametrize("number", ["events", "workers", "batch_size"])
@pytest.mark.parametrize("value", [0, -7])
def test_impossible_numbers_leave_no_file(generator: Generator, tmp_path: Path, number: str, value: int) -> None:
    numbers = {"events": 10, number: value}
    with pytest.raises(InputError, match=f"{value} is impossible"):
        generate_file(generator, tmp_path / "out" / "x.parquet", setting=GenerationSetting(), **numbers)
    with pytest.raises(InputError, match="positive number"):
        generator.sample(-1)


def test_a_device_that_is_not_there_is_refused(saved: Path) -> None:
    for device in ("cuda:99", "abacus"):
        with pytest.raises(InputError, match="is not there; use --device cpu"):
            load(str(saved), device)


def test_the_metadata_say_how_to_make_the_file_again(generator: Generator) -> None:
    run = generator.run_info(GenerationSetting(seed=5, calls=3, decay=False, precision="float32"))
    assert run.provenance["command"] == (
        f"cloudchamber generate --model {generator.name} --seed 5 --calls 3 --sampler adams-bashforth --no-decay "
        "--precision float32"
    )
    assert run.provenance["model_sha256"] == generator.trained.digest
    assert run.seed == 5
    assert run.generator == "cloudchamber"
    assert (run.beams, run.level) == (generator.trained.card.data.beams, generator.trained.card.data.level)


def test_defaults_are_the_presets(generator: Generator) -> None:
    run = generator.run_info(GenerationSetting())
    assert "calls 16" in run.settings
    assert "sampler adams-bashforth" in run.settings


def test_the_metadata_name_the_precision_that_auto_chose(generator: Generator) -> None:
    chosen = generator.precision(GenerationSetting())
    assert chosen in ("float32", "bfloat16")
    assert f"precision {chosen}" in generator.run_info(GenerationSetting()).settings
    assert generator.precision(GenerationSetting(precision="bfloat16")) == "bfloat16"


def test_workers_are_the_cores_that_may_be_used() -> None:
    assert default_workers() >= 1


def test_a_setting_is_plain_data_for_worker_processes() -> None:
    setting = GenerationSetting(seed=1, calls=2)
    assert pickle.loads(pickle.dumps(setting)) == setting


@pytest.fixture(scope="module")
def electron_proton() -> Generator:
    return load("ep-dis-10x275")


def test_bfloat16_rounds_the_momenta_and_nothing_else(electron_proton: Generator) -> None:
    exact, rounded = (electron_proton.sample(200, seed=3, precision=p, decay=False) for p in ("float32", "bfloat16"))
    assert np.array_equal(exact.flat("pdg_id"), rounded.flat("pdg_id"))
    assert np.array_equal(exact.electron.pz, rounded.electron.pz)
    difference = np.abs(exact.flat("px") - rounded.flat("px"))
    assert 0 < np.median(difference) < 0.05


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name not in ("jump", "mixture")])
def test_the_shipped_model_can_be_sampled_with_any_sampler(electron_proton: Generator, sampler: str) -> None:
    """Four calls are too few to be good, but four-momentum is exact and the spectrum of Q2 falls."""
    events = electron_proton.sample(64, seed=1, calls=4, sampler=sampler, decay=False)
    assert f"sampler {sampler}" in events.run.settings
    total = np.array([ak.to_numpy(ak.sum(events.particles[name], axis=1)) for name in ("px", "py", "pz")])
    assert np.abs(total - total.mean(1, keepdims=True)).max() < 1e-6
    assert total.mean(1) == pytest.approx([0, 0, 265], abs=0.01)  # the proton has a mass
    q2 = 2 * 10 * (events.electron.E + events.electron.pz)
    assert 20 < np.median(q2) < 100
