"""What every request reads: the immutable snapshot, bounded caches, the change feed."""
