"""Text and bytes to commands and back: no I/O, no clock, no threads, no Flask."""
