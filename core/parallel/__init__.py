"""Work shared out to threads with the same bits whatever their number, and reading ahead."""
