"""From distances to a decision: score, map, regions, thresholds and what they promise."""
