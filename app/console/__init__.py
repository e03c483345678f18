"""The web console: pages for people, on the application that serves the API (docs/console.md)."""
