"""Requests joined into batches: bounded, fair among banks, with deadlines and measured waiting times."""

from app.batching.batcher import Batcher
from app.batching.entry import BatchObserver, Load, Served

__all__ = ["BatchObserver", "Batcher", "Load", "Served"]
