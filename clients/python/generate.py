"""Generates src/isthmus/v1 from the protos at the top of the repository.

Does nothing when the stubs are newer than every proto, so that it may run at
each setup. A source distribution carries generated stubs and no protos; there
it has nothing to do either.
"""

import os
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROTOS = HERE.parent.parent / "protos"
SOURCE = HERE / "src"
TARGET = SOURCE / "isthmus" / "v1"
PACKAGE_DOCSTRING = '"""Generated from protos/isthmus/v1; do not edit."""\n'


def is_current(protos: list[Path]) -> bool:
    """Whether every stub exists and is newer than every proto and this file."""
    newest = max(path.stat().st_mtime_ns for path in [*protos, Path(__file__)])
    for proto in protos:
        for ending in ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi"):
            stub = TARGET / (proto.stem + ending)
            if not stub.exists() or stub.stat().st_mtime_ns < newest:
                return False
    return (TARGET / "__init__.py").exists()


def main() -> int:
    """Runs protoc; returns its exit status."""
    protos = sorted((PROTOS / "isthmus" / "v1").glob("*.proto"))
    if not protos or is_current(protos):
        return 0
    from grpc_tools import protoc  # needed only to build

    well_known = Path(protoc.__file__).parent / "_proto"
    # A virtual environment's scripts are on no PATH until it is activated.
    scripts = sysconfig.get_path("scripts")
    os.environ["PATH"] = scripts + os.pathsep + os.environ.get("PATH", "")
    TARGET.mkdir(parents=True, exist_ok=True)
    for stale in TARGET.glob("*_pb2*"):
        stale.unlink()
    status: int = protoc.main(
        [
            "protoc",
            f"--proto_path={PROTOS}",
            f"--proto_path={well_known}",
            f"--python_out={SOURCE}",
            f"--grpc_python_out={SOURCE}",
            f"--mypy_out={SOURCE}",
            f"--mypy_grpc_out={SOURCE}",
            *(str(proto) for proto in protos),
        ]
    )
    if status == 0:
        (TARGET / "__init__.py").write_text(PACKAGE_DOCSTRING)
    return status


if __name__ == "__main__":
    code = main()
    if code:
        sys.exit(code)
