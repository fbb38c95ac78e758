"""What files say of themselves, such as their run or their calorimeter, in JSON that must be valid."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from cloudchamber.errors import InputError

__all__ = ["reading"]


@contextmanager
def reading(what: str, path: Path) -> Iterator[None]:
    """Inside of this context, JSON is read that must be valid.

    Args:
        what: is read, such as `metadata`.
        path: the file.

    Raises:
        InputError: if it is not valid.
    """
    try:
        yield
    except ValidationError as error:
        count = error.error_count()
        raise InputError(f"the {what} of '{path}' is not valid ({count} errors); make it again.") from None
