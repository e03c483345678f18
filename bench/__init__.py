"""One script per performance question; each imports Nominal, or runs it, as a user would."""
