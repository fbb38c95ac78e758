"""Ensembles: models that differ by chance alone, and the files of events that they make.

Member 0 is trained on all events. Every other member has a seed of its own, and is trained on as many events drawn from
them with replacement (B. Efron, Ann. Statist. 7 (1979) 1), maps and networks alike, with the same budget. So members
differ as one training on one sample of this size differs from another: by the sample, by the first weights and by the
noise. What all of them get wrong in the same way, their spread does not know.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cloudchamber.data.bootstrap import bootstrap
from cloudchamber.data.split import Split
from cloudchamber.errors import InputError
from cloudchamber.formats import files

__all__ = ["FEWEST_MEMBERS", "member_folder", "member_split", "members_of", "require_members"]

FEWEST_MEMBERS = 3
"""A variance of fewer says next to nothing."""


def member_folder(out: Path, number: int) -> Path:
    """The folder of a member's run.

    Args:
        out: folder of the ensemble.
        number: of the member, from 0.
    """
    return out / f"member-{number}"


def member_split(parts: Split, number: int, seed: int) -> Split:
    """What a member is trained on: everything for member 0, events drawn with replacement for the others.

    Args:
        parts: the sample; what validates stays the same.
        number: of the member.
        seed: names the draw.
    """
    return parts if number == 0 else replace(parts, train=bootstrap(parts.train, seed))


def require_members(members: int) -> None:
    """Refuse an ensemble that is too small.

    Args:
        members: how many models.

    Raises:
        InputError: if they are too few.
    """
    if members < FEWEST_MEMBERS:
        raise InputError(f"--members {members} is too few: an ensemble needs at least {FEWEST_MEMBERS}.")


def members_of(given: Sequence[Path], candidate: Path) -> list[Path]:
    """The files of the other members of the candidate's ensemble.

    Args:
        given: files or folders of shards, or one folder that holds them; the candidate itself is left out of it.
        candidate: the file that is judged.

    Raises:
        InputError: if there are too few, or two were generated with one seed.
    """
    found = list(given)
    if len(given) == 1 and given[0].is_dir():
        found = sorted(path for path in given[0].iterdir() if _is_sample(path))
    others = [path for path in found if path.resolve() != candidate.resolve()]
    if given and len(others) < FEWEST_MEMBERS - 1:
        raise InputError(
            f"--ensemble names {len(others)} other member(s), but needs at least {FEWEST_MEMBERS - 1}: events of other "
            "models that were trained with 'cloudchamber train --members'."
        )
    if others:
        _require_different([candidate, *others])
    return others


def _is_sample(path: Path) -> bool:
    if path.is_dir():
        return any(path.glob("*.parquet"))
    return path.name.endswith(files.SUFFIXES) and not path.name.startswith(".")


def _require_different(paths: list[Path]) -> None:
    """Refuse two files whose events share their random numbers: their statistics would not be independent."""
    seen: dict[int, Path] = {}
    for path in paths:
        run = files.read_run(path)
        if run.seed is None or "model" not in run.provenance:
            continue
        if run.seed in seen:
            raise InputError(
                f"'{path}' and '{seen[run.seed]}' were both generated with --seed {run.seed}, so chance is the same in "
                "both; generate the events of every member with a seed of their own."
            )
        seen[run.seed] = path
