"""Nearest bank vectors by FAISS, which this package alone imports: Euclidean distances in and out."""

from core.search.config import IndexConfig, Kind
from core.search.index import Index, Queries, as_queries

__all__ = ["Index", "IndexConfig", "Kind", "Queries", "as_queries"]
