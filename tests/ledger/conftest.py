"""The fixture that the ledger's tests share."""

import pytest

from core.settings import CoreSettings
from core.store.database import Database


@pytest.fixture
async def house(tmp_path):
    """A migrated SQLite and settings that leave flushing to the test."""
    settings = CoreSettings(data=tmp_path, node="test", batch_flush_seconds=60)
    db = await Database.open(settings)
    await db.migrate()
    yield db, settings
    await db.close()
