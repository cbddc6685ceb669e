"""What processes share, kept on Redis (5 or newer), Valkey or a Redis Cluster, with redis-py.

Every call is one script or one command, and so atomic; all keys are in one slot, and so on one node of a
cluster. ``RedisPubSub.store`` makes it.
"""

from __future__ import annotations

import hashlib
import select
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from .lending import Lender, Refused, is_ready
from .store import Entry, Store

DAY = 24 * 60 * 60 * 1000
LEFTOVERS = 1000
"""How much of what dead nodes left one beat removes: about a millisecond of Redis."""

HOPS = 5
"""How often a cluster may send a question on to another node; redis-py's own limit is 16."""

# A node that beats after its lease has run out begins a new *term*: what it owned in the old term
# holds no more, whatever it is. Names and counts are therefore noted with their term, and `owned` remembers
# what there is of a term, so that the beats of the living remove what the dead left. KEYS:
#   1 leases   sorted set, term -> the millisecond in which its lease ends
#   2 terms    hash, node -> term
#   3 names    hash, name -> "term owner"
#   4 counted  sorted set in lexical order, "length:key NUL term NUL count:node"
#   5 owned    sorted set in lexical order, "term NUL" and then "m" name, "c" key or "n" node
#   6 last     how many terms there were
PRELUDE = """
local leases, terms, names, counted, owned, last = unpack(KEYS)
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function lives(term)
    local till = term and call('ZSCORE', leases, term)
    return till and tonumber(till) > now
end
local function term_of(node)
    local term = call('HGET', terms, node)
    return lives(term) and term
end
local function holder(name)
    local held = call('HGET', names, name)
    if held then
        local space = string.find(held, ' ', 1, true)
        local term = string.sub(held, 1, space - 1)
        return lives(term) and string.sub(held, space + 1), term
    end
end
local function within(key, start, ...)
    return call('ZRANGEBYLEX', key, '[' .. start .. '\\0', '(' .. start .. '\\1', ...)
end
local function about(key)
    return #key .. ':' .. key
end
local function drop_count(key, term)
    for _, member in ipairs(within(counted, about(key) .. '\\0' .. term)) do
        call('ZREM', counted, member)
    end
end
local function forget(term, thing)
    local kind, what = string.sub(thing, 1, 1), string.sub(thing, 2)
    if kind == 'c' then
        drop_count(what, term)
    elseif kind == 'n' then
        if call('HGET', terms, what) == term then call('HDEL', terms, what) end
    else
        local _, held = holder(what)
        if held == term then call('HDEL', names, what) end
    end
end
local function sweep(limit)
    for _, term in ipairs(call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, 10)) do
        local left = within(owned, term, 'LIMIT', 0, limit)
        for _, member in ipairs(left) do
            forget(term, string.sub(member, #term + 2))
            call('ZREM', owned, member)
        end
        limit = limit - #left
        if limit <= 0 then return end
        call('ZREM', leases, term)
    end
end
"""

BEAT = """
local node, ttl = ARGV[1], tonumber(ARGV[2])
local term = term_of(node)
local lived = term and 1 or 0
if not term then
    term = now .. '.' .. call('INCR', last)
    call('HSET', terms, node, term)
    call('ZADD', owned, 0, term .. '\\0n' .. node)
end
call('ZADD', leases, now + ttl, term)
sweep(tonumber(ARGV[3]))
for _, key in ipairs(KEYS) do call('PEXPIRE', key, ttl + tonumber(ARGV[4])) end
return lived
"""

RETIRE = """
local term = term_of(ARGV[1])
if term then call('ZADD', leases, 0, term) end
sweep(tonumber(ARGV[2]))
"""

CLAIM = """
local name, owner, node = ARGV[1], ARGV[2], ARGV[3]
local held, old = holder(name)
if held then return held end
local term = term_of(node)
if not term then return '' end
if old then call('ZREM', owned, old .. '\\0m' .. name) end
call('HSET', names, name, term .. ' ' .. owner)
call('ZADD', owned, 0, term .. '\\0m' .. name)
return owner
"""

RELEASE = """
local held, term = holder(ARGV[1])
if held ~= ARGV[2] then return 0 end
call('HDEL', names, ARGV[1])
return call('ZREM', owned, term .. '\\0m' .. ARGV[1])
"""

OWNER = "return holder(ARGV[1])"

SET_COUNT = """
local key, node, count = ARGV[1], ARGV[2], ARGV[3]
local term = term_of(node)
if not term then return end
drop_count(key, term)
if count == '0' then
    call('ZREM', owned, term .. '\\0c' .. key)
else
    call('ZADD', counted, 0, about(key) .. '\\0' .. term .. '\\0' .. count .. ':' .. node)
    call('ZADD', owned, 0, term .. '\\0c' .. key)
end
"""

COUNTS = """
local found, start = {}, #about(ARGV[1]) + 2
for _, member in ipairs(within(counted, about(ARGV[1]))) do
    local ends = string.find(member, '\\0', start, true)
    if lives(string.sub(member, start, ends - 1)) then
        found[#found + 1] = string.sub(member, ends + 1)
    end
end
return found
"""

TAKE = """
local text = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
return text
"""

# A log is a list of "offset text". Offsets are consecutive; the first is the time in microseconds.
APPEND = """
local newest = redis.call('LINDEX', KEYS[1], -1)
local time = redis.call('TIME')
local offset = newest and tonumber(string.match(newest, '^%d+')) or time[1] * 1000000 + time[2]
offset = string.format('%.0f', offset + 1)
redis.call('RPUSH', KEYS[1], offset .. ' ' .. ARGV[1])
redis.call('LTRIM', KEYS[1], -tonumber(ARGV[2]), -1)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return offset
"""

SINCE = """
local oldest, newest = redis.call('LINDEX', KEYS[1], 0), redis.call('LINDEX', KEYS[1], -1)
if not oldest then return false end
local skipped = tonumber(ARGV[1]) - tonumber(string.match(oldest, '^%d+')) + 1
if skipped < 0 or tonumber(ARGV[1]) > tonumber(string.match(newest, '^%d+')) then return false end
return redis.call('LRANGE', KEYS[1], skipped, -1)
"""


class NoScript(Refused):
    """The server does not know a script by its hash, or does not any more."""


class RedisLine:
    """One connection, which follows its keys to another node of a cluster.

    Args:
        open_one: connects, with redis-py; takes what redis-py's connections take, ``host`` for example.
        deadline: of ``time.monotonic()``, for the connecting.

    Raises:
        OSError: the server is out of reach, or silent; the line is of no use any more.
        Refused: it said no.
    """

    def __init__(self, open_one: Callable[..., Any], deadline: float) -> None:
        import redis

        self._open = open_one
        self._errors = redis.exceptions
        self._connection = self._connect(deadline)

    def _connect(self, deadline: float, **at: Any) -> Any:
        seconds = _left(deadline)
        return self._translated(self._open, socket_timeout=seconds, socket_connect_timeout=seconds, **at)

    @property
    def is_stale(self) -> bool:
        """Whether an idle line has something to say, which is goodbye."""
        sock = self._connection._sock
        return sock is None or is_ready(sock.fileno(), select.POLLIN, 0)

    def close(self) -> None:
        """Hang up."""
        self._connection.disconnect()

    def call(self, deadline: float, *words: object) -> Any:
        """Say a command and return the reply."""
        for _ in range(HOPS):
            try:
                return self._translated(self._call, deadline, words)
            except self._errors.MovedError as moved:
                self.close()
                self._connection = self._connect(deadline, host=moved.host, port=moved.port)
        raise ConnectionError("the cluster's nodes send each other's questions around")

    def _call(self, deadline: float, words: tuple[object, ...]) -> Any:
        connection = self._connection
        connection._sock.settimeout(_left(deadline))
        connection.send_packed_command(connection.pack_command(*words), check_health=False)
        return connection.read_response()

    def _translated(self, function: Callable[..., Any], *args: object, **options: object) -> Any:
        """Call, and raise what a ``Lender`` understands."""
        try:
            return function(*args, **options)
        except self._errors.MovedError:
            raise
        except self._errors.NoScriptError as error:
            raise NoScript(str(error)) from error
        except self._errors.ReadOnlyError as error:  # it was the primary, and is no more
            raise ConnectionError(str(error)) from error
        except self._errors.ResponseError as error:
            raise Refused(str(error)) from error
        except self._errors.RedisError as error:
            raise ConnectionError(str(error)) from error


class RedisStore(Store):
    """Shared by all that use the same server, database and prefix.

    Args:
        open_one: connects, with redis-py; takes what redis-py's connections take, ``host`` for example.
        name: what errors call the server.
        prefix: what keys begin with, in braces, which keep them on one node of a cluster.
        timeout: seconds after which a call gives up.
    """

    def __init__(
        self, open_one: Callable[..., Any], name: str, prefix: str = "cable", timeout: float = 5.0
    ) -> None:
        self._lender = Lender(partial(RedisLine, open_one), name, timeout)
        self._prefix = f"{{{prefix.rstrip(':') or 'cable'}}}"
        self._keys = [self._key(part) for part in ("leases", "terms", "names", "counted", "owned", "last")]

    def _key(self, part: str) -> str:
        return f"{self._prefix}:{part}"

    def _shared(self, script: str, *args: object) -> Any:
        return self._run(PRELUDE + script, self._keys, *args)

    def _run(self, script: str, keys: list[str], *args: object) -> Any:
        """Run a script, which the server keeps under its hash."""
        digest = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        with self._lender.borrowed() as (line, deadline):
            try:
                return line.call(deadline, "EVALSHA", digest, len(keys), *keys, *args)
            except NoScript:
                return line.call(deadline, "EVAL", script, len(keys), *keys, *args)

    def _command(self, *words: object) -> Any:
        with self._lender.borrowed() as (line, deadline):
            return line.call(deadline, *words)

    def stop(self) -> None:
        self._lender.stop()

    # Nodes.

    def beat(self, node: str, ttl: float) -> bool:
        return bool(self._shared(BEAT, node, _milliseconds(ttl), LEFTOVERS, DAY))

    def retire(self, node: str) -> None:
        self._shared(RETIRE, node, LEFTOVERS)

    # Names.

    def claim(self, name: str, owner: str) -> str:
        return str(self._shared(CLAIM, name, owner, owner.partition(":")[0]), "utf-8")

    def release(self, name: str, owner: str) -> bool:
        return bool(self._shared(RELEASE, name, owner))

    def owner(self, name: str) -> str | None:
        return _text_or_none(self._shared(OWNER, name))

    # Counts.

    def set_count(self, key: str, node: str, count: int) -> None:
        self._shared(SET_COUNT, key, node, count)

    def counts(self, key: str) -> dict[str, int]:
        found = (line.decode().partition(":") for line in self._shared(COUNTS, key))
        return {node: int(count) for count, _, node in found}

    # Texts.

    def put(self, key: str, text: str, ttl: float) -> None:
        self._command("SET", self._key(f"text:{key}"), text, "PX", _milliseconds(ttl))

    def get(self, key: str) -> str | None:
        return _text_or_none(self._command("GET", self._key(f"text:{key}")))

    def take(self, key: str) -> str | None:
        return _text_or_none(self._run(TAKE, [self._key(f"text:{key}")]))

    # Logs.

    def append(self, key: str, text: str, limit: int, ttl: float) -> int:
        return int(self._run(APPEND, [self._key(f"log:{key}")], text, limit, _milliseconds(ttl)))

    def since(self, key: str, offset: int) -> list[Entry] | None:
        lines = self._run(SINCE, [self._key(f"log:{key}")], offset)
        return None if lines is None else [_entry(line) for line in lines]

    def last(self, key: str, count: int) -> list[Entry]:
        return [_entry(line) for line in self._command("LRANGE", self._key(f"log:{key}"), -count, -1)]


def _left(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("there is no time left")
    return seconds


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _text_or_none(reply: bytes | None) -> str | None:
    return None if reply is None else reply.decode()


def _entry(line: bytes) -> Entry:
    offset, _, text = line.decode().partition(" ")
    return Entry(int(offset), text)
