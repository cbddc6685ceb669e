"""A process that claims names as fast as it can; started by `pubsub.networked_store`.

`python -m support.apps.claimant URL PREFIX NODE TTL NAME...` claims the first name, says `ready`, waits for a
line, claims all, and prints who has each name now, as JSON. It never retires, and lives for TTL seconds more.
"""

import json
import sys

from flask_cable.pubsub import BusOptions, open_pubsub

PATIENCE = 60.0
"""Seconds of the lease: however slow the machine is, it does not run out in the race."""


def main(url: str, prefix: str, node: str, ttl: str, *names: str) -> None:
    """Claim these names for the node, in their order."""
    store = open_pubsub(url, BusOptions(prefix=prefix)).store
    store.beat(node, PATIENCE)
    store.claim(names[0], f"{node}:1")
    print("ready", flush=True)
    sys.stdin.readline()
    owners = {name: store.claim(name, f"{node}:1") for name in names}
    store.beat(node, float(ttl))
    print(json.dumps(owners), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
