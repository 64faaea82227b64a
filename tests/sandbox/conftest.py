"""One Sandbox process for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.house import free_port, process, wait_for


@pytest.fixture(scope="session")
def sandbox() -> Iterator[str]:
    """The address of a running Sandbox, which must have written nothing to stderr that tells of a defect."""
    port = free_port()
    with process("front.sandbox", "--port", str(port)) as child:
        base = f"http://127.0.0.1:{port}"
        wait_for(base + "/v1/models", child)
        yield base
        assert child.poll() is None, "the Sandbox died"
