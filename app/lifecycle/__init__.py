"""The service opened, kept up, watched and closed: what runs, and whether it is well."""
