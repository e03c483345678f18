"""HTTP only: who calls, what a request may be, routes, schemas, problems."""
