"""OpenAI's Responses as a dialect: items in, events out."""
