"""From feature maps to patch vectors: neighbourhoods, PCA, the stream of a whole set. Knows no bank."""
