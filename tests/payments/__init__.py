"""Payment providers: signatures, sums, words."""
