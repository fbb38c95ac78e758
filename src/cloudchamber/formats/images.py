"""Images as lists of their filled pixels: Parquet with one row per image.

Columns `pixel: list<int32>` and `intensity: list<float>` (z, or pT in units of sqrt(s) / 2) of the filled pixels, in
the order of their numbers, and `weight: double`. A pixel of a channel has the number (row columns + column) channels +
channel. The metadata hold, as JSON under the key `cloudchamber-images`, the grid, the species and what the intensity
is, and under `cloudchamber` those of the events.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from cloudchamber.errors import InputError
from cloudchamber.events import RunInfo
from cloudchamber.formats.atomic import atomic_path
from cloudchamber.formats.header import reading
from cloudchamber.formats.parquet import METADATA_KEY
from cloudchamber.physics.pixels import ETA_RANGE, Filled, Pixels

__all__ = ["ImageFile", "ImageHeader", "ImageWriter", "Images", "open_images"]

_KEY = b"cloudchamber-images"
_ROW_GROUP = 20_000


class ImageHeader(BaseModel):
    """What the images of a file are."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rows: int = Field(ge=1, le=100_000)
    columns: int = Field(ge=1, le=100_000)
    start: float
    eta_range: float = Field(default=ETA_RANGE, gt=0)
    species: tuple[int, ...] = Field(min_length=1)
    intensity: Literal["z", "pT"] = "z"

    @property
    def pixels(self) -> Pixels:
        """The grid."""
        return Pixels(self.rows, self.columns, self.start, self.eta_range)

    @property
    def size(self) -> int:
        """Pixels of all channels."""
        return self.pixels.number * len(self.species)


class Images(NamedTuple):
    """Some images.

    Attributes:
        filled: their filled pixels.
        weight: of the images, shape (B,).
    """

    filled: Filled
    weight: NDArray[np.float64]


class ImageWriter(AbstractContextManager["ImageWriter"]):
    """Streams images into one file that appears under its name when the block ends well.

    Args:
        path: the file to make.
        header: what the images are.
        run: metadata of the events.
    """

    def __init__(self, path: Path, header: ImageHeader, run: RunInfo) -> None:
        self._file, self._header, self._run = atomic_path(path), header, run

    def __enter__(self) -> Self:
        metadata = {_KEY: self._header.model_dump_json(), METADATA_KEY: self._run.model_dump_json()}
        fields = [("pixel", pa.list_(pa.int32())), ("intensity", pa.list_(pa.float32())), ("weight", pa.float64())]
        self._schema = pa.schema(fields, metadata)
        self._writer = pq.ParquetWriter(self._file.__enter__(), self._schema, compression="zstd")
        return self

    def write(self, images: Images) -> None:
        """Append images.

        Args:
            images: any number.
        """
        counts = np.bincount(images.filled.image, minlength=len(images.weight))
        offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
        lists = (images.filled.pixel.astype(np.int32), images.filled.intensity.astype(np.float32))
        columns = [pa.ListArray.from_arrays(offsets, pa.array(values)) for values in lists]
        table = pa.Table.from_arrays([*columns, pa.array(images.weight)], schema=self._schema)
        self._writer.write_table(table, row_group_size=_ROW_GROUP)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        self._file.__exit__(kind, error, trace)


class ImageFile:
    """A file of images, read piece by piece.

    Args:
        path: the file.
        header: what the images are.
        run: metadata of the events.
        images: how many there are.
    """

    def __init__(self, path: Path, header: ImageHeader, run: RunInfo, images: int) -> None:
        self.path, self.header, self.run, self._images = path, header, run, images

    def __len__(self) -> int:
        return self._images

    def iterate(self, batch_size: int = _ROW_GROUP) -> Iterator[Images]:
        """The images in their order, with bounded memory.

        Args:
            batch_size: most images in a piece.

        Yields:
            Images, numbered from 0 in each piece.

        Raises:
            InputError: if the file is damaged or holds pixels outside the grid.
        """
        try:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(batch_size):
                    yield self._piece(batch)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"'{self.path}' is damaged; make or copy it again.") from error

    def _piece(self, batch: pa.RecordBatch) -> Images:
        pixel, intensity = batch.column("pixel"), batch.column("intensity")
        counts = np.diff(np.asarray(pixel.offsets))
        if not np.array_equal(counts, np.diff(np.asarray(intensity.offsets))):
            raise InputError(f"'{self.path}' has images whose columns differ in length; make it again.")
        numbers = pixel.flatten().to_numpy(zero_copy_only=False).astype(np.int64)
        values = intensity.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
        good = (numbers >= 0) & (numbers < self.header.size) & np.isfinite(values) & (values >= 0)
        if not good.all():
            raise InputError(f"'{self.path}' has pixels outside its grid, or of impossible intensity; make it again.")
        filled = Filled(np.repeat(np.arange(len(counts)), counts), numbers, values)
        return Images(filled, batch.column("weight").to_numpy())


def open_images(path: Path) -> ImageFile:
    """A file of images.

    Args:
        path: the file.

    Raises:
        InputError: if it is missing, damaged, or no file of images.
    """
    try:
        with pq.ParquetFile(path) as file:
            metadata, rows, names = file.metadata.metadata or {}, file.metadata.num_rows, file.schema_arrow.names
    except FileNotFoundError:
        raise InputError(f"'{path}' does not exist; make it with 'cloudchamber pixelate'.") from None
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"'{path}' is not a whole Parquet file; make or copy it again.") from error
    if _KEY not in metadata or not {"pixel", "intensity", "weight"} <= set(names):
        raise InputError(f"'{path}' is no file of images; make one with 'cloudchamber pixelate'.")
    with reading("metadata", path):
        header = ImageHeader.model_validate_json(metadata[_KEY])
        run = RunInfo.model_validate_json(metadata.get(METADATA_KEY, b"{}"))
    return ImageFile(path, header, run, rows)
