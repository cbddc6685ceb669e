"""What can go wrong without ending a run; the page tells it."""


class Missing(Exception):
    """Something that a peer needs is not there; the text says what."""


class Failed(Exception):
    """A measurement did not come about; the text says why."""
