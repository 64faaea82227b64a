"""Gemini's dialects: content, embeddings, models."""
