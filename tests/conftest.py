"""Samples and models that several tests share: small, made with fixed seeds."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: the tests run in several processes

import pytest

from cloudchamber.events import Beams, Events, Level
from cloudchamber.simulate.pythia import DISSetting, simulate_shard

N_EVENTS = 300
TINY = """
name = "tiny"
description = "A model for tests"
level = "primary"
electron = { width = 8, depth = 1, repeats = 1 }
species = { width = 8, depth = 1 }
cloud = { width = 8, depth = 1, heads = 2, expansion = 1 }
training = { batch_size = 32, steps = 3, warm_up_steps = 1 }
"""


def _simulate(level: Level, n: int = N_EVENTS, seed: int = 11) -> Events:
    return simulate_shard(DISSetting(Beams.parse("10x275"), 25.0, level=level), n, seed=seed, shard=0)


@pytest.fixture(scope="session")
def stable_events() -> Events:
    return _simulate(Level.STABLE)


@pytest.fixture(scope="session")
def primary_events() -> Events:
    return _simulate(Level.PRIMARY)


@pytest.fixture(scope="session")
def tiny_events() -> Events:
    """What the tiny model is fitted on."""
    return _simulate(Level.PRIMARY, 400, seed=41)


@pytest.fixture(scope="session")
def tiny_data(tiny_events: Events, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in four shards."""
    from cloudchamber.formats import parquet

    folder = tmp_path_factory.mktemp("tiny")
    for number in range(4):
        parquet.write(folder / f"shard-{number:05d}.parquet", tiny_events[100 * number : 100 * (number + 1)])
    return folder


@pytest.fixture
def tiny_toml(tmp_path: Path) -> Path:
    """A preset file of a tiny model."""
    (tmp_path / "tiny.toml").write_text(TINY)
    return tmp_path / "tiny.toml"


@pytest.fixture
def saved(tiny_toml: Path, tiny_events: Events, tmp_path: Path) -> Path:
    """A model file of the tiny preset with random weights."""
    import torch

    from cloudchamber.recipes.build import build_model
    from cloudchamber.recipes.config import load_preset
    from cloudchamber.recipes.store import Card, save_model
    from cloudchamber.represent.cloud import CloudRepresentation

    preset, representation = load_preset(str(tiny_toml)), CloudRepresentation.fit(tiny_events)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = build_model(preset, representation)
    card = Card(preset=preset, data=tiny_events.run, events=len(tiny_events), fingerprint="none", versions={})
    save_model(tmp_path / "tiny.safetensors", model, representation, card)
    return tmp_path / "tiny.safetensors"


OMNILEARN = """
name = "tiny-omnilearn"
description = "A model for tests"
level = "stable"
family = "omnilearn"
event = { width = 8, blocks = 1 }
training = { batch_size = 32, steps = 3, warm_up_steps = 1, optimizer = "lion", clip_by = "parameter" }
sampling = { calls = 4, stage_calls = { event = 6 }, sampler = "ddim-midpoint" }
[particles]
width = 8
body_blocks = 1
head_blocks = 1
heads = 2
neighbours = 3
"""


@pytest.fixture(scope="session")
def stable_data(stable_events: Events, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stable events in two shards."""
    from cloudchamber.formats import parquet

    folder = tmp_path_factory.mktemp("stable")
    for number in range(2):
        parquet.write(folder / f"shard-{number:05d}.parquet", stable_events[150 * number : 150 * (number + 1)])
    return folder


@pytest.fixture(scope="session", params=["seen", "hidden"])
def tiny_omnilearn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preset file of a tiny model as published, and one that hides padding on a periodic azimuth."""
    path = tmp_path_factory.mktemp(request.param) / "tiny.toml"
    path.write_text(OMNILEARN + ('hide_padding = true\nazimuth = "circle"\n' if request.param == "hidden" else ""))
    return path


IMAGE = """
name = "tiny-image"
description = "A model for tests"
level = "stable"
family = "image"
image = { rows = 8, columns = 8, widths = [8, 8], blocks = 1, heads = 2, patch = 2, head = 4 }
training = { batch_size = 32, steps = 3, warm_up_steps = 1 }
"""


@pytest.fixture(scope="session", params=["ddpm", "flow"])
def tiny_image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Preset files of a tiny model of images: a DDPM, and flow matching without patches."""
    path = tmp_path_factory.mktemp(request.param) / "tiny.toml"
    text = IMAGE + 'sampling = { calls = 3, sampler = "mixture" }\n'
    if request.param == "flow":
        text = text.replace("patch = 2", 'patch = 1, process = { kind = "denoiser" }')
    path.write_text(text)
    return path


@pytest.fixture(scope="session")
def zjets_events() -> Events:
    """Muons with one to three jets."""
    from cloudchamber.simulate.zjets import ZJetsSetting, simulate_zjets

    return simulate_zjets(ZJetsSetting(), 400, seed=7, shard=0)


CALO = """
name = "tiny-calo"
description = "A model for tests"
family = "calo"
training = { batch_size = 32, steps = 3, warm_up_steps = 1 }
sampling = { calls = 3 }
[shower]
visible = { width = 8, depth = 1, repeats = 1 }
counts = { width = 8, depth = 1 }
layers = { width = 8, depth = 1, heads = 2, expansion = 1 }
hits = { width = 8, depth = 1, heads = 2, expansion = 1 }
"""


@pytest.fixture(scope="session")
def tiny_calo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preset file of a tiny model of showers."""
    path = tmp_path_factory.mktemp("calo") / "tiny.toml"
    path.write_text(CALO)
    return path


VOXELS = """
name = "tiny-voxels"
description = "A model for tests"
family = "calo-voxels"
training = { batch_size = 32, steps = 3, warm_up_steps = 1, optimizer = "adamax", weight_decay = 0, window = 1 }
sampling = { calls = 3, sampler = "ddim-last" }
[voxels]
merge = [4, 4, 1]
"""
VOXEL_KINDS = {
    "v2": "layers = { width = 8, blocks = 1 }\nvoxels = { inputs = 4, widths = [4, 8], blocks = 1, embed = 4 }\n",
    "v1": """with_layers = false
scaled = "none"
[voxels.voxels]
net = "score-unet"
widths = [4, 8]
embed = 8
process = { schedule = "ve", target = "eps", times = "uniform" }
""",
    "patches": """noise = 0.2
layers = { net = "plain", width = 8, blocks = 1, process = {} }
[voxels.voxels]
net = "transformer"
patch = [3, 4, 4]
width = 8
depth = 1
heads = 2
mirrored = true
process = {}
""",
}


@pytest.fixture(scope="session", params=list(VOXEL_KINDS))
def tiny_voxels(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Preset files of tiny models of voxels: as CaloScore v2 and v1, and the transformer over patches."""
    path = tmp_path_factory.mktemp(request.param) / "tiny.toml"
    path.write_text(VOXELS + VOXEL_KINDS[request.param])
    return path


@pytest.fixture(scope="session")
def three_layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three layers of the sample's showers, as a calorimeter of its own, which are quick to make."""
    import numpy as np

    from cloudchamber.events import Cells, Geometry, Showers
    from cloudchamber.formats import showers as files

    showers = files.read(Path(__file__).parent / "samples" / "electrons.parquet")
    few_layers = (showers.layer >= 7) & (showers.layer < 10)
    kept = np.bincount(showers.row[few_layers], minlength=len(showers))
    filled = kept > 0
    layer, first, second = (column[few_layers] for column in showers.cells)
    geometry = Geometry(layers=showers.geometry.layers[7:10], threshold=showers.geometry.threshold)
    cells = Cells(layer - 7, first, second)
    few = Showers.of(
        showers.incident_energy[filled], kept[filled], cells, showers.energy[few_layers], geometry=geometry
    )
    path = tmp_path_factory.mktemp("showers") / "layers.parquet"
    with files.open_writer(path, showers.run) as writer:
        writer.write(few)
    return path
