"""What was taken over of another gateway's database, so that taking it over again takes only the rest."""

from typing import Any


def up(_migrator: Any, db: Any) -> None:
    db.execute_sql(
        """CREATE TABLE takeovers (
            kind VARCHAR(32) NOT NULL,
            source_id BIGINT NOT NULL,
            digest VARCHAR(64) NOT NULL,
            taken_at BIGINT NOT NULL,
            PRIMARY KEY (kind, source_id))"""
    )


def down(_migrator: Any, db: Any) -> None:
    db.execute_sql("DROP TABLE takeovers")
