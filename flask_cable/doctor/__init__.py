"""What ``flask cable doctor`` finds: the reasons why a deployment will not carry WebSockets, or not well.

``observe`` looks once at the process, the application and gunicorn's settings; each check judges what was
seen and says it in one ``Finding``. The command runs in a ``flask`` process, so gunicorn's settings are read
from where gunicorn reads them: a command line that is handed in, GUNICORN_CMD_ARGS, its configuration file.
"""

from .checks import CHECKS, GUNICORN_CHECKS, diagnose
from .facts import Facts, observe
from .finding import Finding
from .settings import Gunicorn, UnusableSettings, read_gunicorn

__all__ = [
    "CHECKS",
    "GUNICORN_CHECKS",
    "Facts",
    "Finding",
    "Gunicorn",
    "UnusableSettings",
    "diagnose",
    "observe",
    "read_gunicorn",
]
