"""Requests joined into batches: bounded, fair among banks, with deadlines and measured waiting times."""

from app.inspection.batching.batcher import Batcher
from app.inspection.batching.queue import BatchObserver, Load, Served

__all__ = ["BatchObserver", "Batcher", "Load", "Served"]
