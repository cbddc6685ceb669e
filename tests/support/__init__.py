"""What several tests share. Tests say `from support.parts import require`."""
