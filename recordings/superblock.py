"""Open an HDF5 file that its writer never closed, or that was cut, without waiting for a writer that is gone.

A killed writer leaves a mark in the superblock, and HDF5 refuses the file unless it is opened for SWMR reading. That
mode trusts a living writer: on damaged metadata it retries with doubling pauses, in effect for ever. So such a file is
shown to HDF5 through a thin wrapper whose superblock says "closed" and "ends where the file ends" (what ``h5clear``
does to the file itself); the metadata carry checksums, so damage is an error at once. The file on disk is not touched.

Layout of the superblock, versions 2 and 3 (HDF5 File Format Specification, section II.A): signature (8 bytes), version,
size of offsets, size of lengths, consistency flags, then four addresses (base, extension, end of file, root) and a
checksum, Bob Jenkins' lookup3.
"""

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAD = struct.Struct("<8sBBBBQQQQ")
_CHECKSUM = struct.Struct("<I")
_SIZE = _HEAD.size + _CHECKSUM.size
_MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class FileState:
    """What the superblock and the size of a file say.

    Attributes
    ----------
    is_hdf5
        Whether the file starts as an HDF5 file does.
    open_for_write
        Whether a writer has it open, or died with it open.
    stored_bytes, actual_bytes
        Size according to the superblock, and on disk.
    """

    is_hdf5: bool
    open_for_write: bool
    stored_bytes: int
    actual_bytes: int

    @property
    def is_cut(self) -> bool:
        """Whether the end of the file is missing."""
        return self.stored_bytes > self.actual_bytes


def read_state(path: Path) -> FileState:
    """Read the state of a file; OSError if it cannot be read."""
    with path.open("rb") as file:
        head = file.read(_SIZE)
        size = file.seek(0, io.SEEK_END)
    if not head.startswith(SIGNATURE):
        return FileState(False, False, size, size)
    if len(head) < _SIZE:
        return FileState(True, False, _SIZE, size)
    _, version, offset_size, _, flags, _, _, end, _ = _HEAD.unpack_from(head)
    if version < 2 or offset_size != 8:  # an older format, which recordings never have
        return FileState(True, False, size, size)
    return FileState(True, bool(flags), end, size)


class AsClosed(io.RawIOBase):
    """Read-only view of an HDF5 file with a superblock that says it was closed; for ``h5py.File(AsClosed(path))``."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        # Unbuffered: the file may be growing, and a buffer would mix what it held at different times.
        self._file = path.open("rb", buffering=0)
        head = self._file.read(_SIZE)
        # The end of the file as it is now: addresses behind it are refused, which also bounds the view of a live file.
        self._end = self._file.seek(0, io.SEEK_END)
        self._head = _closed_superblock(head, self._end)
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._end}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` up to the end of the file and return the number of bytes."""
        view = memoryview(buffer).cast("B")
        self._file.seek(self._position)
        count = 0
        while count < len(view) and (read := self._file.readinto(view[count:])):
            count += read
        if self._position < len(self._head):
            patch = self._head[self._position : self._position + count]
            view[: len(patch)] = patch
        self._position += count
        return count

    def close(self) -> None:
        """Close the file; may be called again."""
        if not self.closed:
            self._file.close()
        super().close()


def _closed_superblock(head: bytes, end: int) -> bytes:
    if len(head) < _SIZE:
        return head
    fields = list(_HEAD.unpack_from(head))
    fields[4], fields[7] = 0, end
    body = _HEAD.pack(*fields)
    return body + _CHECKSUM.pack(lookup3(body))


def lookup3(data: bytes) -> int:
    """Return Bob Jenkins' lookup3 hash of `data` (``hashlittle``, initial value 0), the checksum of HDF5 metadata."""
    a = b = c = (0xDEADBEEF + len(data)) & _MASK
    if not data:
        return c
    blocks = -(-len(data) // 12)
    words: tuple[int, ...] = struct.unpack(f"<{3 * blocks}I", data.ljust(12 * blocks, b"\0"))
    for k in range(0, len(words) - 3, 3):
        a, b, c = (a + words[k]) & _MASK, (b + words[k + 1]) & _MASK, (c + words[k + 2]) & _MASK
        for turn in (4, 6, 8, 16, 19, 4):
            a = ((a - c) & _MASK) ^ _rotate(c, turn)
            c = (c + b) & _MASK
            a, b, c = b, c, a
    a, b, c = (a + words[-3]) & _MASK, (b + words[-2]) & _MASK, (c + words[-1]) & _MASK
    for turn in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _rotate(b, turn)) & _MASK
        a, b, c = b, c, a
    return b


def _rotate(word: int, turn: int) -> int:
    return ((word << turn) | (word >> (32 - turn))) & _MASK
