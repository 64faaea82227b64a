"""Vertex AI: Gemini's, Anthropic's and OpenAI's forms under Google Cloud's addresses."""
