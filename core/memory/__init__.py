"""Which patches are kept: greedy coreset, merge-reduce, patches on disk, what a build needs."""
