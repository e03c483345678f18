"""Have we seen this defect before? Images as one vector each, compared by angle (Gordo et al. 2017)."""

from core.retrieval.clusters import grouped
from core.retrieval.descriptors import KINDS, WORST, Kind, describe, regions_of, worst_mean
from core.retrieval.quality import RetrievalQuality, retrieval_quality
from core.retrieval.ranking import EXPANDED, expanded, ranked
from core.retrieval.shelf import Shelf
from core.retrieval.triplets import Learnt, learn_projection
from core.retrieval.voting import LEAST_MARGIN, VOTERS, Vote, vote
from core.retrieval.whitening import Whitening, unit, whitening_of, whitening_of_some

__all__ = [
    "EXPANDED",
    "KINDS",
    "LEAST_MARGIN",
    "VOTERS",
    "WORST",
    "Kind",
    "Learnt",
    "RetrievalQuality",
    "Shelf",
    "Vote",
    "Whitening",
    "describe",
    "expanded",
    "grouped",
    "learn_projection",
    "ranked",
    "regions_of",
    "retrieval_quality",
    "unit",
    "vote",
    "whitening_of",
    "whitening_of_some",
    "worst_mean",
]
