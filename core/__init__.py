"""The PatchCore algorithm (Roth et al., CVPR 2022): arrays in, scores out; no HTTP, no settings, no file layout."""
