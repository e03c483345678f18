"""Nearest bank vectors by FAISS, which only this package imports: Euclidean distances in and out."""

from core.search.approximate import lists_of
from core.search.index import Index, Queries

__all__ = ["Index", "Queries", "lists_of"]
