"""Every error as a problem (RFC 9457): its type, and its document. Knows nothing of requests."""
