"""Submissions: how a row leaves one machine and gets onto another's board, and what is checked on the way."""
