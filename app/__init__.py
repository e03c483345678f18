"""The Nominal service and command line: where a backbone meets a detector."""

__version__ = "0.1.0"
