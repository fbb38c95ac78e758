import math
from pathlib import Path

import numpy as np
import pytest
from toy_shards import make_shards

from cloudchamber.data.split import Shard, samples, split
from cloudchamber.errors import InputError


def numbers(shards: list[Shard]) -> list[int]:
    return [int(px) for shard in shards for px in np.asarray(shard.read().particles.px[:, 0])]


@pytest.mark.parametrize("fraction", [0.001, 0.02, 0.25, 0.3, 0.6, 0.999])
@pytest.mark.parametrize("piece", [7, 1000])
def test_the_last_rows_validate_and_the_others_train(folder: Path, fraction: float, piece: int) -> None:
    parts = split(folder, fraction, piece)
    held_out = min(math.ceil(fraction * 148), 147)
    assert numbers(parts.train) == list(range(148 - held_out))
    assert numbers(parts.validation) == list(range(148 - held_out, 148))
    assert max(map(len, parts.train + parts.validation)) <= piece
    assert sum(map(len, parts.train)) == 148 - held_out


def test_one_file_is_divided_by_rows(tmp_path: Path) -> None:
    make_shards(tmp_path, (100,))
    parts = split(tmp_path / "shard-00000.parquet", 0.1)
    assert parts.train == [Shard(tmp_path / "shard-00000.parquet", 0, 90)]
    assert numbers(parts.validation) == list(range(90, 100))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, math.nan])
def test_impossible_fractions_are_explained(folder: Path, fraction: float) -> None:
    with pytest.raises(InputError, match="validation fraction"):
        split(folder, fraction)


def test_too_few_events_are_explained(tmp_path: Path) -> None:
    make_shards(tmp_path, (1,))
    with pytest.raises(InputError, match="holds 1 event"):
        split(tmp_path)


def test_no_files_and_damaged_files_are_explained(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        split(tmp_path / "nowhere")
    (folder / "shard-00001.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="not a whole Parquet file"):
        split(folder)


def test_a_shard_that_became_shorter_is_explained(folder: Path) -> None:
    with pytest.raises(InputError, match="become shorter"):
        Shard(folder / "shard-00000.parquet", 30, 40).read()


def test_a_folder_of_samples_is_divided_sample_by_sample(tmp_path: Path) -> None:
    for name, sizes in (("10x100", (60, 40)), ("5x41", (50,))):
        (tmp_path / name).mkdir()
        make_shards(tmp_path / name, sizes)
    parts = split(tmp_path, 0.1)
    assert [(s.path.parent.name, len(s)) for s in parts.validation] == [("10x100", 10), ("5x41", 5)]
    assert sum(map(len, parts.train)) == 135
    assert samples(tmp_path) == [tmp_path / "10x100", tmp_path / "5x41"]
    assert samples(tmp_path / "5x41") == [tmp_path / "5x41"]
