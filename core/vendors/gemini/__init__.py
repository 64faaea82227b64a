"""Gemini's forms: generateContent and embedContent."""
