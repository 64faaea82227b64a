"""Cohere's v2 as a dialect: chat and embeddings."""
