"""One revision a file, in order; a released one never changes."""
