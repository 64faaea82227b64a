"""Prices: pure functions from usage and tables to a sum with every line that led to it."""
