"""Events become images on disk, and impossible settings one sentence."""

from pathlib import Path

import numpy as np
import pytest

from cloudchamber.cli.main import main
from cloudchamber.events import Events
from cloudchamber.formats import parquet
from cloudchamber.formats.images import open_images
from cloudchamber.represent.image import ImageRepresentation


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["pixelate", *map(str, words)])
    return int(stop.value.code or 0)


def test_the_file_holds_the_images_of_all_events(
    stable_data: Path, stable_events: Events, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "images.parquet"
    assert command(stable_data, "--out", out, "--rows", 32, "--columns", 16) == 0
    assert "300 images" in capsys.readouterr().out
    file = open_images(out)
    assert (file.header.rows, file.header.columns, file.header.species) == (32, 16, (211, 321, 11))
    assert file.run.beams == stable_events.run.beams
    (piece,) = file.iterate()
    expected = ImageRepresentation.fit(stable_events, rows=32, columns=16).pixelate(stable_events)
    assert np.array_equal(piece.filled.image, expected.image)
    assert np.array_equal(piece.filled.pixel, expected.pixel)
    np.testing.assert_allclose(piece.filled.intensity, expected.intensity, rtol=1e-6)
    assert file.header.pixels == ImageRepresentation.fit(stable_events, rows=32, columns=16).pixels


def test_the_source_is_kept(stable_events: Events, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "events.parquet"
    parquet.write(source, stable_events)
    before = source.read_bytes()
    assert command(source, "--out", source) == 2
    assert "both source and target" in capsys.readouterr().err
    assert command(tmp_path, "--out", tmp_path / "images.parquet") == 2
    assert "would be one of the shards" in capsys.readouterr().err
    assert source.read_bytes() == before


def test_an_event_without_particles_is_named(
    stable_events: Events, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = Events.from_flat([0], {name: stable_events.flat(name)[:0] for name in stable_events.columns})
    parquet.write(tmp_path / "events.parquet", Events.concatenate([stable_events[:7], empty, stable_events[7:9]]))
    assert command(tmp_path / "events.parquet", "--out", tmp_path / "images.parquet") == 2
    assert "event 7 holds no particles" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--species", "pions"), "is not understood"),
        (("--species", "211,321"), "the electron, 11, among them"),
        (("--rows", 0), "--rows 0 is impossible"),
    ],
)
def test_impossible_settings_get_a_sentence(
    stable_data: Path, tmp_path: Path, words: tuple[object, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(stable_data, "--out", tmp_path / "x.parquet", *words) == 2
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1
    assert sentence in error
    assert not (tmp_path / "x.parquet").exists()
