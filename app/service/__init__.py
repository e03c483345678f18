"""What the service does, one noun a file; HTTP routes and the web console call the same functions."""
