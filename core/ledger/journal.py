"""The journal file of one incarnation: appended, preallocated, locked while its owner lives.

    magic 8 bytes | base u64 | carried u64 | carried records | records

Positions count bytes since the incarnation began: the first byte after the
carried records has position base. Rotation drops what is flushed and carries the
progress of requests still open. The file lock (flock) belongs to the open file,
so the kernel frees it with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from core.ledger.disk import sync_folder
from core.ledger.record import JournalDamaged, Record, scan
from core.ledger.seams import REAL, Seams

MAGIC = b"ISTHJ\x00\x00\x01"
_HEADER = struct.Struct("<8sQQ")
CHUNK = 4 << 20
"""Bytes preallocated at a time."""
SUFFIX = ".journal"


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

    def __init__(self, path: Path, seams: Seams = REAL) -> None:
        self.path = path
        self.end = 0
        """Position after the last record appended."""
        self.failed: OSError | None = None
        """Why the last write failed; what it left over waits in memory and is tried again."""
        self._write, self._allocate, self._sync = seams.write, seams.allocate, seams.sync
        self._backlog = b""
        self.fd = -1
        self._file_end = self._allocated = 0
        self._open(0, b"", b"")

    def _draft(self) -> tuple[Path, int]:
        """A locked, empty file under a name that nobody scans for."""
        draft = self.path.with_suffix(".new")
        while True:
            fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
            try:
                # Another worker's sweep may hold it for a moment, and then remove it: made anew.
                fcntl.flock(fd, fcntl.LOCK_EX)
                if os.fstat(fd).st_ino == draft.stat().st_ino:
                    return draft, fd
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def _open(self, base: int, carried: bytes, tail: bytes, room: int = 0) -> None:
        """Makes the file as a draft, then gives it its name. Raises OSError; fd tells which file is in use."""
        draft, fd = self._draft()
        try:
            content = _HEADER.pack(MAGIC, base, len(carried)) + carried + tail
            allocated = len(content) + CHUNK + room
            self._allocate(fd, 0, allocated)
            done = 0
            while done < len(content):
                done += self._write(fd, content[done:])
            self._sync(fd)
            draft.rename(self.path)
        except BaseException:
            os.close(fd)
            raise
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = fd
        self._file_end = len(content)
        self._allocated = allocated
        sync_folder(self.path.parent)

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
        """fdatasync; may run in a thread. Raises OSError: what was written before may be lost with the machine."""
        self._sync(self.fd)

    def rotate(self, flushed_to: int, carried: Iterable[bytes], room: int = 0) -> None:
        """Drops what lies before flushed_to, carrying these records along, and keeps room bytes for what is to come.

        Raises OSError: the old file is still in use, or the new one whose name may not survive the machine.
        """
        if not self.written:
            return
        length = self.end - flushed_to
        tail = os.pread(self.fd, length, self._file_end - length) if length else b""
        assert len(tail) == length
        self._open(flushed_to, b"".join(carried), tail, room)

    def close(self, *, remove: bool) -> None:
        """Frees the lock; removes the file if all it held is in the database."""
        if self.fd < 0:
            return
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self.fd)
        self.fd = -1
