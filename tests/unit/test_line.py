from __future__ import annotations

from livegraft.line import Line, Turn


def turn(script: str, *, pool: str = "thread", priority: int = 0, group: str = "", limit: int = 0) -> Turn:
    return Turn(pool, script, priority, group, limit)


def line_of(*turns: Turn, places: int = 1) -> Line:
    """The runs are called 0, 1, 2, ..."""
    line = Line({"thread": places, "task": places})
    for number, each in enumerate(turns):
        line.put(str(number), each)
    return line


def in_order(line: Line) -> list[str]:
    """Who starts, one after the other, when each leaves before the next one is asked for."""
    found = []
    while (id := line.take()) is not None:
        found.append(id)
        line.leave(id)
    return found


def test_runs_of_one_script_go_in_the_order_in_which_they_came() -> None:
    assert in_order(line_of(turn("a"), turn("a"), turn("a"))) == ["0", "1", "2"]


def test_scripts_take_turns() -> None:
    line = line_of(*[turn("a")] * 3, turn("b"), turn("c"), turn("b"))

    assert in_order(line) == ["0", "3", "4", "1", "5", "2"]


def test_a_higher_priority_goes_first() -> None:
    assert in_order(line_of(turn("a"), turn("b", priority=5), turn("c", priority=-1))) == ["1", "0", "2"]


def test_a_full_pool_has_others_wait_and_another_pool_goes_on() -> None:
    line = line_of(turn("a"), turn("a"), turn("b", pool="task"))

    assert [line.take(), line.take(), line.take()] == ["0", "2", None]
    line.leave("0")
    assert line.take() == "1"


def test_a_group_at_its_limit_lets_others_pass() -> None:
    one, two = turn("a", group="1", limit=1), turn("a", group="2", limit=1)
    line = line_of(one, one, two, turn("b"), places=10)

    assert [line.take(), line.take(), line.take(), line.take()] == ["0", "3", "2", None]
    line.leave("0")
    assert line.take() == "1"


def test_who_leaves_while_waiting_is_not_started() -> None:
    line = line_of(turn("a"), turn("a"))
    line.leave("0")

    assert "0" not in line
    assert in_order(line) == ["1"]


def test_a_stuck_run_gets_the_pool_another_place_up_to_its_size() -> None:
    line = line_of(*[turn("a")] * 4, places=1)
    assert [line.take(), line.take()] == ["0", None]

    line.give_up("0")
    assert [line.take(), line.take()] == ["1", None]
    line.give_up("1")
    assert line.take() is None
    line.leave("1")
    assert [line.take(), line.take()] == ["2", None]
    line.leave("0")
    assert line.take() is None


def test_a_limit_counts_again_after_everybody_left() -> None:
    line = line_of(turn("a", limit=1), places=10)
    assert in_order(line) == ["0"]

    line.put("again", turn("a", limit=1))
    assert line.take() == "again"


def test_ten_thousand_scripts_wait_and_the_next_is_found_at_once() -> None:
    line = Line({"thread": 1})
    for number in range(10_000):
        line.put(str(number), turn(f"s{number}"))

    assert in_order(line) == [str(number) for number in range(10_000)]
