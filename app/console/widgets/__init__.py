"""What pages are put together from, so that they look and behave alike."""
