"""Text files that may be compressed: by their suffix when written, by their first bytes when read.

The same content gives the same bytes: gzip's time stamp and file name are left out.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Protocol, cast

from cloudchamber.errors import InputError

__all__ = ["ByteSink", "open_for_reading", "open_for_writing"]

GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
GZIP_LEVEL, ZSTD_LEVEL = 4, 3


class ByteSink(Protocol):
    """What a writer needs of an open file."""

    def write(self, data: bytes, /) -> object:
        """Append bytes.

        Args:
            data: what to append.
        """

    def close(self) -> None:
        """Flush and close, with all that lies beneath."""


class _Stack:
    """A compressor above a file; both are closed, whatever fails."""

    def __init__(self, path: Path, suffix: str) -> None:
        self._files = ExitStack()
        raw = self._files.enter_context(path.open("wb"))
        self._top = cast(ByteSink, raw if suffix not in (".gz", ".zst") else _compressor(raw, suffix))
        if self._top is not raw:
            self._files.callback(self._top.close)

    def write(self, data: bytes) -> None:
        self._top.write(data)

    def close(self) -> None:
        self._files.close()


def open_for_writing(path: Path, suffix: str) -> ByteSink:
    """A file to append bytes to.

    Args:
        path: the file to make.
        suffix: `.gz` and `.zst` are compressed, anything else is plain.
    """
    return _Stack(path, suffix)


def _compressor(raw: IO[bytes], suffix: str) -> object:
    if suffix == ".gz":
        return gzip.GzipFile("", "wb", GZIP_LEVEL, raw, mtime=0)
    import zstandard

    return zstandard.ZstdCompressor(ZSTD_LEVEL, write_checksum=True).stream_writer(raw, closefd=False)


@contextmanager
def open_for_reading(path: Path) -> Iterator[IO[bytes]]:
    """A file's content, decompressed.

    Args:
        path: a plain, gzip or Zstandard file.

    Yields:
        A stream of bytes.

    Raises:
        InputError: if the file is missing or a folder, or its compressed content is damaged or ends early.
    """
    try:
        with path.open("rb") as raw:
            yield _decompressed(raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, error) from error
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}; check the path.") from error
    except Exception as error:
        if type(error).__name__ != "ZstdError":
            raise
        raise _damaged(path, error) from error


def _decompressed(raw: IO[bytes]) -> IO[bytes]:
    magic = raw.read(4)
    raw.seek(0)
    if magic.startswith(GZIP_MAGIC):
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw, mode="rb"))
    if magic == ZSTD_MAGIC:
        import zstandard

        reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
        return cast(IO[bytes], io.BufferedReader(cast(io.RawIOBase, reader)))
    return raw


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"'{path}' is truncated or damaged ({error}); make or copy it again.")
