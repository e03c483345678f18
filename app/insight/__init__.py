"""What is learnt from decisions and scores: exploring thresholds, comparing versions, review, evaluation."""
