"""Frozen backbones, their weights and the runtimes that execute them."""
