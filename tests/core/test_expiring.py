from __future__ import annotations

from gatewaykit.core.expiring import Expiring


def test_an_entry_is_there_until_its_second() -> None:
    table: Expiring[str, int] = Expiring(10)
    table.put("a", 1, 5.0)

    assert (table.get("a", 4.9), table.get("a", 5.0), table.get("a", 4.9)) == (1, None, None)


def test_a_full_table_lets_the_first_entry_go() -> None:
    table: Expiring[int, int] = Expiring(2)
    for number in (1, 2, 1, 3):
        table.put(number, number, 9.0)

    assert [table.get(number, 0.0) for number in (1, 2, 3)] == [1, None, 3]
    assert len(table) == 2


def test_a_table_of_none_keeps_nothing() -> None:
    table: Expiring[int, int] = Expiring(0)
    table.put(1, 1, 9.0)

    assert len(table) == 0


def test_entries_are_dropped_by_what_they_are() -> None:
    table: Expiring[int, str] = Expiring(9)
    for number in range(4):
        table.put(number, "odd" if number % 2 else "even", 9.0)

    table.drop(lambda key, value: value == "odd")
    kept = len(table)
    table.clear()

    assert (kept, len(table)) == (2, 0)
