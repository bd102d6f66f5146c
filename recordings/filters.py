"""Compression of frames: which filters a recording uses, and which a reader lets HDF5 run.

Samples and masks go through bitshuffle with LZ4, then Fletcher32 over what it made. Bitshuffle comes with hdf5plugin,
whose import registers it with HDF5; that is done when the first file is opened, not when this is imported.

HDF5 itself would run the filters when a frame is assigned to the dataset. But it keeps the chunk in its cache, cannot
close the file when the disk is full by then, and crashes; and a slice of a dataset costs more than compressing a small
frame. So a chunk is filtered beforehand, in a scratch file in memory, and what comes out is handed to
``write_direct_chunk``; `benchmarks/bench_writer.py` has the figures. Calling bitshuffle's C functions would be faster
still, but hdf5plugin does not promise that they can be found.
"""

from typing import Any
from uuid import uuid4

import h5py
import numpy as np
from numpy.typing import NDArray

from isactrack.errors import RecordingError

BITSHUFFLE_LZ4, NONE = "bitshuffle-lz4", "none"
COMPRESSIONS = (BITSHUFFLE_LZ4, NONE)
"""What a writer can do to the frames; the first is its default."""

_BITSHUFFLE_ID = 32008
_NAMES = {
    h5py.h5z.FILTER_DEFLATE: "gzip",
    h5py.h5z.FILTER_SHUFFLE: "shuffle",
    h5py.h5z.FILTER_FLETCHER32: "fletcher32",
    h5py.h5z.FILTER_LZF: "lzf",
    _BITSHUFFLE_ID: "bitshuffle",
}
"""Filters that are read: our own, and those that come with h5py, which other tools may have put in their place.

A file can name any filter that is installed, and what decompresses is code that trusts its input: the fewer the better.
"""


def register() -> None:
    """Make bitshuffle known to HDF5; must be called before a recording is opened."""
    # Slow for an import: it loads a library for each filter that it brings.
    import hdf5plugin  # noqa: F401


def storage_options(compression: str) -> dict[str, Any]:
    """Return the keyword arguments of ``create_dataset`` for a dataset with one chunk a frame."""
    if compression == NONE:
        return {}
    import hdf5plugin

    return {**hdf5plugin.Bitshuffle(cname="lz4"), "fletcher32": True}


class ChunkFilter:
    """The filters of a dataset as a function of one chunk.

    Parameters
    ----------
    shape, dtype
        Of a chunk.
    options
        Keyword arguments of ``create_dataset``, from `storage_options`.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], options: dict[str, Any]) -> None:
        # HDF5's older index of chunks knows the size of a chunk that is still in the cache; the newer one of a dataset
        # with a single chunk does not.
        self._file = h5py.File(
            f"scratch-{uuid4()}", "w", driver="core", backing_store=False, libver=("earliest", "v110")
        )
        self._dataset = self._file.create_dataset("chunk", shape, dtype, chunks=shape, **options).id
        self._start = tuple(0 for _ in shape)

    def __call__(self, data: NDArray[Any]) -> tuple[int, bytes]:
        """Return the mask of filters that were left out, and the chunk as it is stored."""
        self._dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, data)
        mask, stored = self._dataset.read_direct_chunk(self._start)
        return int(mask), stored

    def close(self) -> None:
        """Give the memory back; may be called again."""
        self._file.close()


def pipeline(dataset: h5py.Dataset) -> tuple[int, ...]:
    """Return the numbers of a dataset's filters in the order of writing."""
    plist = dataset.id.get_create_plist()
    return tuple(int(plist.get_filter(k)[0]) for k in range(plist.get_nfilters()))


def describe(dataset: h5py.Dataset) -> str:
    """Return the filters of a dataset for people, e.g. ``bitshuffle + fletcher32``; ``none`` if there are none."""
    return " + ".join(_NAMES.get(number, f"filter {number}") for number in pipeline(dataset)) or NONE


def check_known(dataset: h5py.Dataset) -> None:
    """Complain about a dataset whose filters are not read.

    Raises
    ------
    RecordingError
        With the number of the filter.
    """
    for number in pipeline(dataset):
        if number not in _NAMES or not h5py.h5z.filter_avail(number):
            raise RecordingError(
                f"{dataset.name} went through HDF5 filter {number}, which isactrack does not read",
                "rewrite the file with gzip or without a filter, e.g. with h5repack",
            )
