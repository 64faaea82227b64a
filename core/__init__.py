"""The gRPC service: who calls, what it may use, where it goes, what it costs."""
