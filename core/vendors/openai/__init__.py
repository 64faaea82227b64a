"""OpenAI's wire forms: chat completions and embeddings, spoken by most vendors."""
