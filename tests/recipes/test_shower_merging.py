"""Showers with coarser cells, by the command that writes them."""

from pathlib import Path

import numpy as np
import pytest

from cloudchamber.cli.main import main
from cloudchamber.formats import showers as files

SAMPLE = Path(__file__).parents[1] / "samples" / "electrons.parquet"


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return int(stop.value.code or 0)


def test_merged_showers_are_written(tmp_path: Path) -> None:
    out = tmp_path / "coarse.h5"
    assert command("convert", SAMPLE, out, "--merge", "4x8x10") == 0
    fine, coarse = files.read(SAMPLE), files.read(out)
    assert coarse.geometry.cells == 3 * 4 * 8
    assert np.array_equal(coarse.incident_energy, fine.incident_energy)
    np.testing.assert_allclose(coarse.visible_energy, fine.visible_energy, rtol=1e-6)
    np.testing.assert_allclose(coarse.layer_energy[:, 0], fine.layer_energy[:, :10].sum(1), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("words", "says"),
    [(("--merge", "3x3"), "'3x3' is impossible"), (("--merge", "0x1x1"), "'0x1x1' is impossible"),
     (("--merge", "2x2x2", "--beams", "10x275"), "do not apply with --merge")],
)  # fmt: skip
def test_bad_options_are_told(
    words: tuple[object, ...], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("convert", SAMPLE, tmp_path / "o.h5", *words) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
