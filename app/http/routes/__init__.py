"""HTTP: parse, call, answer by a schema. One noun a file."""
