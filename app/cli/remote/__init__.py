"""``nominal remote``: a server's banks, builds, inspections and health from the command line, over app/client."""

from app.cli.remote import (  # each registers its commands
    banks,
    builds,
    health,
    inspecting,
    inspections,
    versions,
)

__all__ = ["banks", "builds", "health", "inspecting", "inspections", "versions"]
