"""HTTP: parse, call app.service, answer by app.schemas. One noun a file."""
