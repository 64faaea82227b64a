"""Cohere's own wire forms, version 2: chat and rerank."""
