"""One folder per page, with its words; importing it registers the page with ``app.console.view.page``."""
