"""Output files that appear whole or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cloudchamber.errors import InputError

__all__ = ["atomic_path", "explain_os_error", "remove_leftovers", "require_no_folder"]


def explain_os_error(error: OSError, path: Path) -> InputError:
    """The sentence a user should read for a failed write.

    Args:
        error: what the operating system said.
        path: the file that was being written.
    """
    causes = {
        errno.ENOSPC: "the disk is full; free some space and run the command again",
        errno.EDQUOT: "the disk quota is used up; free some space and run the command again",
        errno.ENOENT: f"the folder '{path.parent}' does not exist; create it first",
        errno.ENOTDIR: f"'{path.parent}' is not a folder; choose another --out",
        errno.EISDIR: "it is a folder; give a file name",
        errno.EACCES: "permission is denied; choose a folder that you can write to",
        errno.EROFS: "the file system is read-only; choose a folder that you can write to",
    }
    return InputError(f"cannot write '{path}': {causes.get(error.errno or 0, error.strerror or str(error))}.")


def require_no_folder(path: Path) -> None:
    """Refuse a folder where a file should appear, before any work is done for it.

    Args:
        path: the file that should appear.

    Raises:
        InputError: if it is a folder, or the operating system refuses.
    """
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise explain_os_error(error, path) from error
    if is_folder:
        raise explain_os_error(IsADirectoryError(errno.EISDIR, "is a folder"), path)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, renamed to it when the block ends well and removed when it does not.

    Args:
        path: the file that should appear.

    Yields:
        The temporary path to write to.

    Raises:
        InputError: if it is a folder, or the operating system refuses (missing folder, permission, full disk).
    """
    require_no_folder(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if not path.parent.is_dir():
            raise OSError(errno.ENOTDIR if path.parent.exists() else errno.ENOENT, "no such folder")
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise explain_os_error(error, path) from error
    finally:
        with suppress(OSError):  # which would hide what went wrong
            temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path, name: str) -> None:
    """Remove what killed processes left of files that they never finished.

    Args:
        folder: where the files should have appeared.
        name: their names, as a pattern.

    Raises:
        InputError: if the operating system refuses.
    """
    try:
        for leftover in folder.glob(f".{name}.*.part"):
            process_id = leftover.suffixes[-2][1:]
            if process_id.isdigit() and not _is_running(int(process_id)):
                leftover.unlink(missing_ok=True)
    except OSError as error:
        raise explain_os_error(error, folder) from error


def _is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except OSError as error:
        return error.errno != errno.ESRCH
    return True
