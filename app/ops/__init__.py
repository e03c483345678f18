"""What watches and carries the process: logs, metrics, traces, threads, files. Knows nothing of banks."""
