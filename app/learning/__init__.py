"""Nominal images in, bank versions out: uploads, archives, builds, jobs, the worker."""
