"""The orders of a config: which there are, which the tables of all orders ask for, and which the benchmark can run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gorp.util.errors import UserError, close_names

Suites = Mapping[str, Mapping[str, Sequence[str]] | None]  # SUITE: {ORDER: tasks}; None drops a suite
Kept = Mapping[str, Mapping[str, list[str]]]  # those that are left


def kept(suites: Suites) -> dict[str, dict[str, list[str]]]:
    """The suites without dropped ones. Raises UserError if the name of an order is in two, or no suite is left."""
    found: dict[str, dict[str, list[str]]] = {}
    for suite, orders in suites.items():
        for other, earlier in found.items():
            for order in orders or ():
                if order in earlier:
                    raise UserError(f"orders: {order} is in two suites, {other} and {suite}; rename one")
        if orders:
            found[suite] = {order: list(tasks) for order, tasks in orders.items()}
    if not found:
        raise UserError("orders: no suite is left; add one: SUITE: {ORDER: [tasks in sequence]}")
    return found


def wanted(suites: Kept, own: Any) -> dict[str, list[str]]:
    """{suite: orders} that the tables of all orders ask for: those of a user's own files alone, if these give any.

    suites: of all files, laid over each other. own: `orders` of the files and values that a user puts over config.yaml.
    """
    given = own if isinstance(own, Mapping) else {}
    chosen = {}
    for suite, orders in suites.items():
        chosen[suite] = [order for order in orders if order in (given.get(suite) or ())]
    return chosen if any(chosen.values()) else {suite: list(orders) for suite, orders in suites.items()}


class Orders(dict[str, list[str]]):
    """The tasks of each order by its name; one whose tasks the benchmark lacks raises UserError when it is looked up.

    `wanted`: {suite: orders} that the tables of all orders are made of; `left`: those that they leave out.
    """

    def __init__(self, suites: Kept, own: Any, tasks: Iterable[str], benchmark: str):
        """Raises UserError for a task that appears twice in an order, or if no order that is wanted can run."""
        super().__init__({order: tasks for orders in suites.values() for order, tasks in orders.items()})
        known = list(tasks)
        self.lacking: dict[str, str] = {}
        self.wanted: dict[str, list[str]] = {}
        self.left: list[str] = []
        for order, names in self.items():
            if double := [name for name in names if names.count(name) > 1]:
                raise UserError(f"orders: {order}: the task {double[0]!r} appears twice; name each task once")
            if lacking := [name for name in names if name not in known]:
                hint = close_names(lacking[0], known)
                self.lacking[order] = f"the benchmark {benchmark} has no task {listed(lacking)}; {hint}"
        for suite, orders in wanted(suites, own).items():
            self.left += [order for order in orders if order in self.lacking]
            if runnable := [order for order in orders if order not in self.lacking]:
                self.wanted[suite] = runnable
        if not self.wanted:
            raise UserError(f"orders: {self.left[0]}: {self.lacking[self.left[0]]}")

    def __getitem__(self, order: str) -> list[str]:
        if order in self.lacking:
            raise UserError(f"orders: {order}: {self.lacking[order]}")
        return super().__getitem__(order)

    def warning(self) -> str:
        """A line about the orders that the tables of all orders leave out, "" if there are none."""
        if not self.left:
            return ""
        return f"Skipped: {', '.join(self.left)}; {self.lacking[self.left[0]]}"


def listed(names: Sequence[str]) -> str:
    """Names for a message, the first few of many."""
    more = len(names) - 3
    return ", ".join(map(repr, names[:3])) + (f" and {more} more" if more > 0 else "")
