"""One file a page; each registers itself with ``app.console.registry.page`` when it is imported."""
