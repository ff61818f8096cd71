"""attnkit beside its peers, in one run each; results are JSON for the book."""
