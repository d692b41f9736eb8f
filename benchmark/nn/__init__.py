"""What several torch models share."""
