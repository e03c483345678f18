"""Nearest bank vectors by FAISS, which this package alone imports: Euclidean distances in and out."""

from core.index.config import IndexConfig, Kind
from core.index.search import Index, Queries, as_queries

__all__ = ["Index", "IndexConfig", "Kind", "Queries", "as_queries"]
