"""Bytes and columns. No state, no policy."""
