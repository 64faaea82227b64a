"""The HTTP front: dialects, the management API; knows HTTP and the protos, nothing else."""
