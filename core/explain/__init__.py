"""Why an image scores as it does: maps of s*, how faithful each is on this image, and the channels that carry it."""

from core.explain.channels import ChannelShare, Shares, shares
from core.explain.explanation import Explanation, explain
from core.explain.faithfulness import Curve, Faithfulness, faithfulness
from core.explain.methods import DEFAULT, METHODS, Explainer, method_named
from core.explain.network import Network, Rule

__all__ = [
    "DEFAULT",
    "METHODS",
    "ChannelShare",
    "Curve",
    "Explainer",
    "Explanation",
    "Faithfulness",
    "Network",
    "Rule",
    "Shares",
    "explain",
    "faithfulness",
    "method_named",
    "shares",
]
