"""OpenAI's Responses form, spoken by OpenAI, Azure and others beside the chat form."""
