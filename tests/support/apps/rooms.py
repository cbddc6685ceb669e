"""An application for tests of the test client: a login, a room, and a channel in which everything fails."""

from flask import Flask, session

from flask_cable import Cable, Channel, Connection, periodically, rescue_from


def make_app(**config):
    """Make an application with a login, a room, and a channel in which everything fails."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY="for tests only", TESTING=True, **config)
    cable = Cable(app)
    cable.connection(AppConnection)
    cable.channel(RoomChannel)
    cable.channel(BrokenChannel)

    @app.post("/login/<user>")
    def login(user):
        session["user"] = user
        return ""

    return app


class AppConnection(Connection):
    identified_by = "user"

    def connect(self):
        if "explode" in self.request.args:
            raise ZeroDivisionError
        self.user = session.get("user", "nobody")
        if self.user == "banned":
            self.reject_unauthorized_connection()


class RoomChannel(Channel):
    def subscribed(self):
        if "room" not in self.params:
            return self.reject()
        self.stream_from(f"room:{self.params['room']}")

    def unsubscribed(self):
        self.broadcast_to("gone", self.user)

    def say(self, data):
        self.broadcast_to(f"room:{self.params['room']}", {"from": self.user, "text": data["text"]})

    def receive(self, data):
        self.transmit(["received", data])

    def follow(self, data):
        self.stream_for(data["name"])

    def leave(self):
        self.stop_all_streams()
        return self.params["room"]

    @periodically(every=10)
    def tick(self):
        self.transmit("tick")


class Refused(Exception):
    pass


class BrokenChannel(Channel):
    def subscribed(self):
        if "broken" in self.params:
            raise LookupError("subscribed")
        self.stream_from("broken", callback=self.hear)

    def unsubscribed(self):
        raise LookupError("unsubscribed")

    def act(self):
        raise LookupError("act")

    def answered(self):
        raise Refused

    @rescue_from(Refused)
    def answer(self, error):
        self.transmit("answered")

    def hear(self, message):
        raise LookupError(f"hear {message}")

    @periodically(every=1)
    def tick(self):
        raise LookupError("tick")
