"""Every error that Flask-Cable raises, in one tree.

CableError
├── ConfigError                 start-up: a key is wrong; the message names it and the remedy
├── NotReady                    used before ``init_app``, or with no way to tell which app is meant
├── UnsupportedServer           this server cannot carry a WebSocket; the message says what to do
├── UnauthorizedConnection      ``reject_unauthorized_connection()``
├── ConnectionClosed            the peer is gone, and somebody waited for a message of it
├── NameTaken                   ``cable.unique.register``: another connection has the name
├── InvalidResult               what a behaviour's callback returned is no state and frames (also a TypeError)
├── ConnectRefused              raised by a Socket.IO handler: its text, and data, go to the client
├── AckTimeout                  a Socket.IO client did not acknowledge in time (also a TimeoutError)
├── EncodeError                 a value has no JSON form, or none of the endpoint's (also a TypeError)
├── BusError                    the pub/sub server did not take a message, or answer, in time
├── ReadOnlySession             a session was written where no response can carry it (also a TypeError)
└── CommandError                what a peer sent cannot be done; passes through ``rescue_from``
    ├── MalformedMessage        not text, not JSON, not of the protocol's shape
    ├── UnknownCommand
    ├── UnknownChannel
    ├── UnknownSubscription
    ├── AlreadySubscribed
    ├── UnknownAction
    ├── UnknownPage             the socket of no page that the application has made, or of one too long gone
    ├── BadSignature            a signed stream name is none that this application signed
    └── TooMany                 one more than a limit allows
"""


class CableError(Exception):
    """The root: catch this to catch everything of Flask-Cable's own."""


class ConfigError(CableError):
    """A setting is missing or wrong."""


class NotReady(CableError, RuntimeError):
    """The extension is not attached to an application, or several could be meant."""


class UnsupportedServer(CableError):
    """The WSGI server gives no socket that a WebSocket could live on."""


class UnauthorizedConnection(CableError):
    """Raised by ``Connection.reject_unauthorized_connection()``; nothing after it runs."""


class ConnectionClosed(CableError):
    """There will be no message: the peer is gone, or was told to go.

    Attributes:
        code: the RFC 6455 code; 1006 when it just vanished.
        reason: what was said, if anything.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"the connection was closed with {code}{f': {reason}' if reason else ''}")
        self.code = code
        self.reason = reason


class NameTaken(CableError):
    """Another connection has the name; it is free when that one is gone, or gives it back."""


class InvalidResult(CableError, TypeError):
    """A behaviour's callback returned something else than a state and frames."""


class ConnectRefused(CableError):
    """A Socket.IO client may not connect: ``ConnectRefused("not today", {"until": "noon"})``.

    Attributes:
        data: what else the client is told, as ``error.data``.
    """

    def __init__(self, message: str = "not authorized", data: object = None) -> None:
        super().__init__(message)
        self.data = data


class AckTimeout(CableError, TimeoutError):
    """A Socket.IO client has not acknowledged an event in time, or left before it could."""


class EncodeError(CableError, TypeError):
    """A value could not be encoded; nothing of it has been sent."""


class BusError(CableError, ConnectionError):
    """The server behind a pub/sub adapter or a store cannot be reached, or does not answer in time."""


class ReadOnlySession(CableError, TypeError):
    """A connection's session was written to."""


class CommandError(CableError):
    """A peer's command cannot be carried out."""


class MalformedMessage(CommandError):
    """A message is not what the protocol says it looks like."""


class UnknownCommand(CommandError):
    """The command is none that the protocol knows."""


class UnknownChannel(CommandError):
    """No channel is registered under that name."""


class UnknownSubscription(CommandError):
    """The connection has no subscription with that identifier."""


class AlreadySubscribed(CommandError):
    """The identifier is subscribed already."""


class UnknownAction(CommandError):
    """The channel declares no such action, or no handler is registered for it."""


class UnknownPage(CommandError):
    """No page of the application has this id and key, or it was away for too long."""


class BadSignature(CommandError):
    """What should have been signed by this application was not."""


class TooMany(CommandError):
    """One more than a limit allows; the message names the limit's key."""
