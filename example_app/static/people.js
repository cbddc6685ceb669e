// Who is in the room, kept from what the seats say: join, here, leave. A person is here while one of their
// seats (an open page) is; so a second tab changes nothing and the first one's leaving does not either.

const RELOAD_GRACE = 4_000; // milliseconds in which a reloading page is back
const RECONNECT_GRACE = 30_000; // and everybody, after the server or our network was away
const SILENCE = 100_000; // a seat that gave no sign for so long is gone; signs come every 30 seconds

export class People {
  #seats = new Map(); // seat -> { user, heardAt }
  #users = new Map(); // user -> { name, leaving: timer or undefined }

  constructor(me, { changed, arrived, departed }) {
    Object.assign(this, { me, changed, arrived, departed });
    setInterval(() => this.#forgetSilent(), 10_000);
  }

  hear({ type, seat, user, name }) {
    if (type === "leave") this.#left(seat);
    else this.#isHere(seat, user, name, type === "join");
  }

  // The connection was away: whoever does not answer the roll call is gone.
  callAgain() {
    this.#seats.clear();
    for (const user of this.#users.keys()) this.#mayBeLeaving(user, RECONNECT_GRACE);
  }

  list() {
    const people = [...this.#users].map(([user, { name }]) => ({ user, name, isMe: user === this.me }));
    return people.sort((a, b) => b.isMe - a.isMe || a.name.localeCompare(b.name));
  }

  #isHere(seat, user, name, isNew) {
    this.#seats.set(seat, { user, heardAt: Date.now() });
    const known = this.#users.get(user);
    clearTimeout(known?.leaving);
    this.#users.set(user, { name });
    if (known) return;
    this.changed();
    if (isNew && user !== this.me) this.arrived(name);
  }

  #left(seat) {
    const user = this.#seats.get(seat)?.user;
    this.#seats.delete(seat);
    if (user) this.#mayBeLeaving(user, RELOAD_GRACE);
  }

  #mayBeLeaving(user, grace) {
    const person = this.#users.get(user);
    const hasSeat = [...this.#seats.values()].some((seat) => seat.user === user);
    if (!person || hasSeat) return;
    clearTimeout(person.leaving);
    person.leaving = setTimeout(() => this.#gone(user, person.name), grace);
  }

  #gone(user, name) {
    this.#users.delete(user);
    this.changed();
    this.departed(name);
  }

  #forgetSilent() {
    if (document.hidden) return; // a sleeping tab hears late
    for (const [seat, { heardAt }] of [...this.#seats]) {
      if (Date.now() - heardAt > SILENCE) this.#left(seat);
    }
  }
}
