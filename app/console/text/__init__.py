"""Every word the console shows, one frozen table a page: a translation replaces these tables and nothing else."""
