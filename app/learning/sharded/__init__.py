"""Builds whose stages many processes share, each with some shards of the images: the same bank, bit for bit."""
