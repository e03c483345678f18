"""Nearest bank vectors by FAISS, which only this package imports: Euclidean distances in and out."""

from core.search.index import Index, Queries

__all__ = ["Index", "Queries"]
