"""A process that claims names as fast as it can; started by `pubsub.networked_store`.

`python -m support.apps.claimant URL PREFIX NODE TTL NAME...` says `ready`, waits for a line, claims, and
prints who has each name now, as JSON. It never retires.
"""

import json
import sys

from flask_cable.pubsub import BusOptions, open_pubsub


def main(url: str, prefix: str, node: str, ttl: str, *names: str) -> None:
    """Claim these names for the node, in their order."""
    store = open_pubsub(url, BusOptions(prefix=prefix)).store
    store.beat(node, float(ttl))
    print("ready", flush=True)
    sys.stdin.readline()
    store.beat(node, float(ttl))
    print(json.dumps({name: store.claim(name, f"{node}:1") for name in names}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
