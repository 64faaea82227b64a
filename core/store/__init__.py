"""The database: tables, migrations, repositories. Everything else asks here."""
