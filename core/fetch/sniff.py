"""What bytes are, by what they begin with: what a server says of them is not believed."""

from __future__ import annotations

import codecs

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypheix", "image/heic"),
    (4, b"ftypmif1", "image/heif"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp", "video/mp4"),
    (0, b"%PDF-", "application/pdf"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/x-msvideo"),
    (8, b"AIFF", "audio/aiff"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (0, b"\xff\xf1", "audio/aac"),
    (0, b"\xff\xf9", "audio/aac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"\x00\x00\x01\xba", "video/mpeg"),
    (0, b"FLV\x01", "video/x-flv"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"\xd0\xcf\x11\xe0", "application/x-ole-storage"),
)
"""Place, bytes, type; the first that fits. RIFF's kinds stand behind its head."""
_RIFF = frozenset({"image/webp", "audio/wav", "video/x-msvideo"})
_OFFICE = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
}
_TEXTS = {
    "md": "text/markdown", "markdown": "text/markdown", "csv": "text/csv", "htm": "text/html", "html": "text/html",
    "json": "application/json", "xml": "text/xml",
}  # fmt: skip
_TEXT_TYPES = frozenset({*_TEXTS.values(), "text/plain", "application/xml"})
HEAD = 64
"""Bytes that sniff() looks at, but for texts."""


def sniff(data: bytes, path: str = "", told: str = "") -> str:
    """The MIME type; "" where it is none that is known. path and told only tell kinds of text and of archives apart."""
    ending = path.partition("?")[0].rpartition(".")[2].lower()
    told = told.partition(";")[0].strip().lower()
    for place, magic, mime in _MAGIC:
        if data[place : place + len(magic)] != magic or (mime in _RIFF and data[:4] != b"RIFF"):
            continue
        if mime == "application/zip":
            return _OFFICE.get(ending, "") or (told if told in _OFFICE.values() else mime)
        if mime == "application/x-ole-storage":
            return _OFFICE.get(ending, "") or (told if told in _OFFICE.values() else mime)
        return mime
    if is_text(data):
        return _TEXTS.get(ending) or (told if told in _TEXT_TYPES else "text/plain")
    return ""


def is_text(data: bytes) -> bool:
    """Whether bytes are UTF-8 without what no text holds."""
    if b"\x00" in data:
        return False
    try:
        codecs.utf_8_decode(data, "strict", True)
    except UnicodeDecodeError:
        return False
    return True
