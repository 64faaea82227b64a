"""iFlytek's Spark by websocket."""
