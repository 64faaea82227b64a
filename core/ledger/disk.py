"""Keeping room on a disk before it is needed, so that a full one refuses at admission and not at a settlement."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path

KEEP_SIZE = 1
"""FALLOC_FL_KEEP_SIZE of linux/falloc.h: blocks are kept, the length is not changed, so O_APPEND still appends."""


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


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive the machine: a rename is else only in memory. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
