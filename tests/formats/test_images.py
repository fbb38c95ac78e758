"""Images come back as they were written, in pieces of any size, and a million of them are small."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, RunInfo
from cloudchamber.formats.images import ImageHeader, Images, ImageWriter, open_images
from cloudchamber.physics.pixels import Filled

HEADER = ImageHeader(rows=64, columns=64, start=-3.2, species=(211, 321, 11))
RUN = RunInfo(beams=Beams.parse("10x275"), seed=3)


def some(n: int = 1_000, seed: int = 1) -> Images:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(5.6, n)
    image = np.repeat(np.arange(n), counts)
    pixel = np.sort(rng.integers(0, HEADER.size, len(image)))[np.argsort(rng.random(len(image)))]
    return Images(Filled(image, pixel, rng.random(len(image))), rng.random(n))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with ImageWriter(tmp_path / "images.parquet", HEADER, RUN) as writer:
        for seed in (1, 2):
            writer.write(some(seed=seed))
    return tmp_path / "images.parquet"


@pytest.mark.parametrize("size", [1, 333, 5_000])
def test_what_was_written_is_read(path: Path, size: int) -> None:
    file = open_images(path)
    assert (file.header, file.run, len(file)) == (HEADER, RUN, 2_000)
    assert file.header.pixels.number == 4_096
    pieces = list(file.iterate(size))
    assert max(len(piece.weight) for piece in pieces) <= size
    starts = np.cumsum([0, *(len(piece.weight) for piece in pieces)])
    image = np.concatenate([p.filled.image + s for p, s in zip(pieces, starts, strict=False)])
    one, two = some(seed=1), some(seed=2)
    assert np.array_equal(image, np.concatenate([one.filled.image, two.filled.image + 1_000]))
    pixel, intensity = (np.concatenate([getattr(p.filled, n) for p in pieces]) for n in ("pixel", "intensity"))
    assert np.array_equal(pixel, np.concatenate([one.filled.pixel, two.filled.pixel]))
    np.testing.assert_allclose(intensity, np.concatenate([one.filled.intensity, two.filled.intensity]), atol=1e-7)
    assert np.array_equal(np.concatenate([p.weight for p in pieces]), np.concatenate([one.weight, two.weight]))


def test_a_million_images_stay_below_a_gigabyte(tmp_path: Path) -> None:
    with ImageWriter(tmp_path / "images.parquet", HEADER, RUN) as writer:
        writer.write(some(20_000))
    assert (tmp_path / "images.parquet").stat().st_size * 50 < 2e8


def test_a_failed_block_leaves_no_file(tmp_path: Path) -> None:
    def fail() -> None:
        with ImageWriter(tmp_path / "images.parquet", HEADER, RUN) as writer:
            writer.write(some(10))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_damaged_and_foreign_files_are_refused(path: Path, tmp_path: Path, stable_data: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(path.read_bytes()[:1_000])
    for wrong, sentence in (
        (tmp_path / "missing.parquet", "does not exist"),
        (broken, "is not a whole Parquet file"),
        (stable_data / "shard-00000.parquet", "is no file of images"),
    ):
        with pytest.raises(InputError, match=sentence):
            open_images(wrong)
    table = pq.read_table(path)
    small = HEADER.model_copy(update={"rows": 2, "columns": 2})
    metadata = {**table.schema.metadata, b"cloudchamber-images": small.model_dump_json().encode()}
    pq.write_table(table.replace_schema_metadata(metadata), broken)
    with pytest.raises(InputError, match="pixels outside its grid"):
        list(open_images(broken).iterate())
    pq.write_table(table.replace_schema_metadata({**metadata, b"cloudchamber-images": b'{"rows": 0}'}), broken)
    with pytest.raises(InputError, match=r"metadata of .* is not valid"):
        open_images(broken)
