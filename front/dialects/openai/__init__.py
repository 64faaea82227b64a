"""OpenAI's dialects: chat, completions, edits, embeddings, moderations, models."""
