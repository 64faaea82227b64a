"""Taking over databases of New API."""
