"""From a photograph to the tensor that a backbone takes: pixels, geometry, resize. Knows no features."""
