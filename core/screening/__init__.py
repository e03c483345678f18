"""Looking a nominal set over before it is learned: parts, copies, suspects, mixtures. Nothing is ever removed."""
