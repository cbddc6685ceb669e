"""Broadcasting from models.

``model.py`` is what users mix into a class; ``commits.py`` listens to SQLAlchemy for those that are mapped;
``changes.py`` keeps what a transaction has changed until it is known how it ends.
"""

from .model import Broadcastable, watch_models

__all__ = ["Broadcastable", "watch_models"]
