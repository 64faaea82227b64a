"""Zhipu's third form (chatglm_*), before it took OpenAI's words."""
