"""Styles of server code, one handler each; they know nothing of each other."""
