"""Tools that build, check and report on the book; none of them is installed."""
