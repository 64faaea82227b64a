"""Baidu's first form (Wenxin Workshop), before Qianfan took OpenAI's words."""
