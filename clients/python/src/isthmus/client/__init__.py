"""A small typed face over the generated stubs."""
