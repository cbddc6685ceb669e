"""One live peer, and who hears what: no wire format, no Flask, no gevent, no sockets."""
