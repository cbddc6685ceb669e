"""What the tables are called, whatever the prefix is."""

from flask_cable.pubsub.postgres_tables import Tables


def test_tables_are_called_by_the_prefix() -> None:
    assert Tables("cable:").script("{names} {value}", value=1) == '"cable_names" 1'
    assert Tables("cable").script("{leases}") == '"cable_leases"'
    assert Tables("").script("{leases}") == '"cable_leases"'


def test_names_are_quoted() -> None:
    assert Tables('a"; DROP {x}').script("{texts}") == '"a""; DROP {x}_texts"'


def test_long_names_stay_apart() -> None:
    first, second = (Tables("x" * 60 + end).script("{names_node}") for end in ("1", "2"))
    assert first != second
    assert max(len(first.encode()), len(second.encode())) < 63


def test_each_prefix_has_locks_of_its_own() -> None:
    locks = {Tables(prefix).lock(what) for prefix in ("a", "b") for what in ("tables", "name x", "name y")}
    assert len(locks) == 6
    assert all(-(2**63) <= lock < 2**63 for lock in locks)
    assert Tables("a").lock("tables") == Tables("a:").lock("tables")
