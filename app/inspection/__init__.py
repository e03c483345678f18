"""One image in, an acknowledged decision out: engine, loaded banks, batches, ledger, thresholds."""
