"""Exported networks give the same numbers in onnxruntime, for batches and lengths that they were not exported with."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.models.autoregressive import MultisetModel
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.process.step import Field
from cloudchamber.recipes.export import export
from cloudchamber.recipes.store import TrainedModel, load_model
from cloudchamber.tensors.batch import Batch

onnxruntime = pytest.importorskip("onnxruntime")
MODEL = "ep-dis-10x275"
SIZES = [(1, 1), (2, 9), (17, 4), (5, 31)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("onnx") / "new"
    assert [path.name for path in export(MODEL, place)] == ["electron.onnx", "species.onnx", "cloud.onnx"]
    return place


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    return load_model(MODEL)


def run(path: Path, **inputs: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(str(path))
    return torch.from_numpy(session.run(None, {name: value.numpy() for name, value in inputs.items()})[0])


@pytest.mark.parametrize("batch", [1, 6])
def test_the_electrons_velocity(folder: Path, trained: TrainedModel, batch: int) -> None:
    x, t = torch.randn(batch, 2), torch.rand(()).expand(batch)
    stage = trained.model["electron"]
    assert isinstance(stage, Diffusion)
    expected = Field(stage.denoiser, Batch(x, torch.ones(batch))).velocity(x, t[0])
    torch.testing.assert_close(run(folder / "electron.onnx", x=x, t=t), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("batch", "length"), SIZES)
def test_the_clouds_velocity_with_padding(folder: Path, trained: TrainedModel, batch: int, length: int) -> None:
    stage = trained.model["cloud"]
    assert isinstance(stage, Diffusion)
    mask = torch.arange(length) < torch.randint(1, length + 1, (batch, 1))
    given = Batch(
        torch.randn(batch, length, 3), torch.ones(batch), torch.randn(batch, 4), mask,
        torch.randint(0, len(trained.representation.species), (batch, length)), torch.randn(batch, length, 1),
    )  # fmt: skip
    t = torch.rand(())
    expected = Field(stage.denoiser, given).velocity(given.x, t)
    made = run(folder / "cloud.onnx", x=given.x, t=t.expand(batch), context=given.context, mask=mask,
               kinds=given.tokens, mass_scores=given.token_context)  # fmt: skip
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-4)
    assert not made[~mask].any()


@pytest.mark.parametrize(("batch", "length"), SIZES)
def test_the_logits_of_the_species(folder: Path, trained: TrainedModel, batch: int, length: int) -> None:
    stage = trained.model["species"]
    assert isinstance(stage, MultisetModel)
    kinds, context = torch.randint(0, stage.end + 1, (batch, length)), torch.randn(batch, 3)
    levels = torch.randint(0, 11, (batch, length, stage.charges.shape[1]))
    made = run(folder / "species.onnx", kinds=kinds, levels=levels, context=context)
    torch.testing.assert_close(made, stage.net(kinds, levels, context), rtol=1e-4, atol=1e-4)


def test_files_say_what_they_are(folder: Path, trained: TrainedModel) -> None:
    session = onnxruntime.InferenceSession(str(folder / "cloud.onnx"))
    told = session.get_modelmeta().custom_metadata_map
    assert told["model"] == MODEL
    assert told["model_sha256"] == trained.digest
    assert told["schedule"] == "rectified"
    assert told["times"] == "1.0 to 0.0"
    assert [i.shape[:2] for i in session.get_inputs() if i.name == "x"] == [["batch", "particles"]]
    assert np.prod(session.get_outputs()[0].shape[2:]) == 3


def test_a_folder_that_cannot_be_made_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        export(MODEL, tmp_path / "file" / "inside")
