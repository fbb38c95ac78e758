"""Events of several draws of a model's weights, each a file in one folder, for the band of `evaluate --ensemble`.

File k holds events of draw k with the seed of the first file plus k, so that chance is independent in every file.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cloudchamber.errors import InputError, require
from cloudchamber.formats import files
from cloudchamber.formats.atomic import explain_os_error
from cloudchamber.generate.pipeline import Tally
from cloudchamber.recipes.generation import GenerationSetting, Generator, generate_file
from cloudchamber.recipes.workers import Advance

__all__ = ["draw_file", "draw_settings", "generate_draws"]


def draw_file(folder: Path, draw: int) -> Path:
    """The file of a draw.

    Args:
        folder: of all draws.
        draw: its number.
    """
    return folder / f"draw-{draw:03d}.parquet"


def draw_settings(draws: int, setting: GenerationSetting) -> Iterator[GenerationSetting]:
    """What to generate for each draw.

    Args:
        draws: how many.
        setting: of the first; its draw, 0 by default, is that of the first file.

    Raises:
        InputError: if there are none.
    """
    require(draws > 0, f"--draws {draws} is impossible: give a positive number.")
    first = setting.draw or 0
    return (replace(setting, draw=first + k, seed=setting.seed + k) for k in range(draws))


def generate_draws(
    generator: Generator,
    folder: Path,
    draws: int,
    *,
    events: int,
    setting: GenerationSetting,
    resume: bool = False,
    workers: int = 1,
    batch_size: int = 1024,
    advance: Advance = lambda made: None,
) -> Tally:
    """Generate a file of events for each of several draws of the weights.

    Args:
        generator: a loaded model with distributions of weights.
        folder: where the files are made; made if it does not exist.
        draws: how many.
        events: number of events of each.
        setting: of the first file.
        resume: keep the files that are there already; without it they are refused.
        workers: processes to use.
        batch_size: events in flight in each process.
        advance: told how many events have been made or found.

    Returns:
        Counts over the events that were made now.

    Raises:
        InputError: if a number is impossible, the model has nothing to draw, or a file cannot be written, is there
            already, or belongs to another run.
    """
    wanted = list(draw_settings(draws, setting))
    generator.trained.drawn(wanted[0].draw)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, folder) from error
    found = {one.draw: _is_there(generator, folder, one, events, resume) for one in wanted}
    tally = Tally()
    for one in wanted:
        assert one.draw is not None
        if found[one.draw]:
            advance(events)
            continue
        tally += generate_file(generator, draw_file(folder, one.draw), events=events, setting=one, workers=workers,
                               batch_size=batch_size, advance=advance)  # fmt: skip
    return tally


def _is_there(generator: Generator, folder: Path, setting: GenerationSetting, events: int, resume: bool) -> bool:
    """Whether the file of a draw is whole; one of another run is refused."""
    assert setting.draw is not None
    path = draw_file(folder, setting.draw)
    if not path.exists():
        return False
    if not resume:
        raise InputError(f"'{path}' exists already; add --resume to keep what is there, or choose another --out.")
    if files.read_run(path).provenance != generator.run_info(setting).provenance or len(files.read(path)) != events:
        raise InputError(f"'{path}' is of another run; remove it, or choose another --out.")
    return True
