"""The SDK builds into a wheel of its own, which holds the stubs and asks for no newer gRPC than they need."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROTOS = sorted(path.stem for path in (ROOT / "protos" / "isthmus" / "v1").glob("*.proto"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Built from the protos, beside a copy of the sources without stubs."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "protos", folder / "protos")
    source = folder / "clients" / "python"
    shutil.copytree(
        ROOT / "clients" / "python", source, ignore=shutil.ignore_patterns("v1", "build", "*.egg-info", "__pycache__")
    )
    made = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    (found,) = folder.glob("isthmus_sdk-*.whl")
    with zipfile.ZipFile(found) as opened:
        yield opened


def test_what_it_holds(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    stubs = {
        f"isthmus/v1/{stem}{end}" for stem in PROTOS for end in ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")
    }
    assert names >= stubs | {"isthmus/py.typed", "isthmus/client/client.py", "isthmus/v1/__init__.py"}
    assert {name.split("/")[0] for name in names} == {"isthmus"}


def version(text: str) -> tuple[int, ...]:
    """Three numbers: 1.76 is 1.76.0."""
    numbers = [int(part) for part in text.split(".")]
    return tuple((*numbers, 0, 0)[:3])


def test_the_stubs_need_no_more_than_the_wheel_asks_for(wheel: zipfile.ZipFile) -> None:
    """Stubs refuse to be imported by a gRPC or protobuf that is older than what made them."""
    (about,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    asked = dict(re.findall(r"^Requires-Dist: ([\w-]+)>=([\d.]+)", wheel.read(about).decode(), re.MULTILINE))
    made_by = re.search(r"GRPC_GENERATED_VERSION = '([\d.]+)'", wheel.read("isthmus/v1/chat_pb2_grpc.py").decode())
    assert made_by is not None
    assert version(asked["grpcio"]) >= version(made_by[1])
    protobuf = re.search(
        r"^# Protobuf Python Version: ([\d.]+)", wheel.read("isthmus/v1/chat_pb2.py").decode(), re.MULTILINE
    )
    assert protobuf is not None
    assert version(asked["protobuf"]) >= version(protobuf[1])


def test_it_is_imported_from_the_wheel_alone(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    code = "import isthmus.client as c, isthmus.v1.admin_pb2_grpc, sys; print(c.__file__, 'core' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path,
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert told.split() == [str(tmp_path / "isthmus" / "client" / "__init__.py"), "False"]
