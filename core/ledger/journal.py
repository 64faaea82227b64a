"""The journal file of one incarnation: appended, preallocated, locked while its owner lives.

    magic 8 bytes | base u64 | carried u64 | carried records | records

Positions count bytes since the incarnation began: the first byte after the
carried records has position base. Rotation drops what is flushed and carries the
progress of requests still open. The file lock (flock) belongs to the open file,
so the kernel frees it with the process, however that ends.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from core.ledger.record import JournalDamaged, Record, scan

MAGIC = b"ISTHJ\x00\x00\x01"
_HEADER = struct.Struct("<8sQQ")
CHUNK = 4 << 20
"""Bytes preallocated at a time."""
SUFFIX = ".journal"
KEEP_SIZE = 1
"""FALLOC_FL_KEEP_SIZE of linux/falloc.h: blocks are kept, the length is not changed, so O_APPEND still appends."""

Write = Callable[[int, bytes], int]
Allocate = Callable[[int, int, int], None]


def _libc_fallocate() -> Callable[[int, int, int, int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "fallocate64", None)
    if function is None:
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    return function  # type: ignore[no-any-return]


_FALLOCATE = _libc_fallocate()
_UNSUPPORTED = (95, 38, 22)
"""EOPNOTSUPP, ENOSYS, EINVAL: this file system cannot preallocate; room is then only checked."""


def allocate(fd: int, start: int, length: int) -> None:
    """Keeps length bytes of disk from offset start, without changing the file's length. Raises OSError (disk full)."""
    if _FALLOCATE is not None:
        if _FALLOCATE(fd, KEEP_SIZE, start, length) == 0:
            return
        code = ctypes.get_errno()
        if code not in _UNSUPPORTED:
            raise OSError(code, os.strerror(code))
    free = os.fstatvfs(fd)
    if free.f_bavail * free.f_frsize < length:
        raise OSError(28, os.strerror(28))


def lock(path: Path) -> int | None:
    """Opens and locks a journal nobody holds; None if it is held, gone or replaced meanwhile."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_APPEND)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Rotation and a finished replay replace or remove the name: only what still bears it counts.
        if os.fstat(fd).st_ino == path.stat().st_ino:
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(fd)
    return None


def read(fd: int, name: str) -> tuple[int, list[Record], list[Record]]:
    """(base, carried records, records) of a journal. Raises JournalDamaged; a torn last record is left out."""
    data = b""
    size = os.fstat(fd).st_size
    while len(data) < size:
        piece = os.pread(fd, size - len(data), len(data))
        if not piece:
            break
        data += piece
    if len(data) < _HEADER.size or data[:8] != MAGIC:
        raise JournalDamaged(f"{name}: this is no journal of this version; its first bytes are wrong.")
    _, base, carried_bytes = _HEADER.unpack_from(data)
    cut = _HEADER.size + carried_bytes
    carried = list(scan(data[_HEADER.size : cut], 0, name))
    return base, carried, list(scan(data[cut:], base, name))


class Journal:
    """The journal of a living incarnation. Not for several threads, except sync()."""

    def __init__(self, path: Path, *, write: Write = os.write, allocate: Allocate = allocate) -> None:
        self.path = path
        self.end = 0
        """Position after the last record appended."""
        self.failed: OSError | None = None
        """Why the last write failed; what it left over waits in memory and is tried again."""
        self._write, self._allocate = write, allocate
        self._backlog = b""
        self.fd = -1
        self._file_end = self._allocated = 0
        self._open(0, b"", b"")

    def _open(self, base: int, carried: bytes, tail: bytes) -> None:
        """Makes the file under a name nobody scans for, locks it, then gives it its name."""
        draft = self.path.with_suffix(".new")
        fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            content = _HEADER.pack(MAGIC, base, len(carried)) + carried + tail
            self._allocate(fd, 0, len(content) + CHUNK)
            done = 0
            while done < len(content):
                done += os.write(fd, content[done:])
            os.fdatasync(fd)
            draft.rename(self.path)
        except BaseException:
            os.close(fd)
            raise
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = fd
        self._file_end = len(content)
        self._allocated = len(content) + CHUNK

    @property
    def file_bytes(self) -> int:
        """Bytes of the file now."""
        return self._file_end

    def room(self, needed: int) -> bool:
        """Whether needed more bytes can be written for sure; preallocates. False: the disk is full or broken."""
        if self._backlog and not self._drain():
            return False
        if self._file_end + needed > self._allocated:
            try:
                self._allocate(self.fd, self._allocated, CHUNK + needed)
            except OSError as error:
                self.failed = error
                return False
            self._allocated += CHUNK + needed
        self.failed = None
        return True

    def append(self, data: bytes) -> int:
        """Appends a record and gives the position after it; never raises for a disk that refuses (see failed)."""
        self.end += len(data)
        if self._backlog:
            self._backlog += data
            self._drain()
            return self.end
        try:
            done = self._write(self.fd, data)
        except OSError as error:
            self.failed, done = error, 0
        self._file_end += done
        if done < len(data):
            self._backlog = data[done:]
            self._drain()
        return self.end

    def _drain(self) -> bool:
        while self._backlog:
            try:
                done = self._write(self.fd, self._backlog)
            except OSError as error:
                self.failed = error
                return False
            if done == 0:
                return False
            self._file_end += done
            self._backlog = self._backlog[done:]
        self.failed = None
        return True

    @property
    def written(self) -> bool:
        """Whether everything appended is in the file; tries again what was refused."""
        return not self._backlog or self._drain()

    def sync(self) -> None:
        """fdatasync; may run in a thread."""
        os.fdatasync(self.fd)

    def rotate(self, flushed_to: int, carried: Iterable[bytes]) -> None:
        """Drops what lies before flushed_to, carrying these records along. Raises OSError, the old file in place."""
        if not self.written:
            return
        length = self.end - flushed_to
        tail = os.pread(self.fd, length, self._file_end - length) if length else b""
        assert len(tail) == length
        self._open(flushed_to, b"".join(carried), tail)

    def close(self, *, remove: bool) -> None:
        """Frees the lock; removes the file if all it held is in the database."""
        if self.fd < 0:
            return
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self.fd)
        self.fd = -1
