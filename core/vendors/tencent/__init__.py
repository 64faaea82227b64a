"""Tencent Cloud's own form of Hunyuan."""
