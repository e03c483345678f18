"""How good a detector is on images of known truth: image and pixel metrics."""
