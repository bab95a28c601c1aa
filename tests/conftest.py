"""The order of the test files: long ones first, so that no worker waits for another, at the end or for one run."""

FIRST = ("test_reruns", "test_processes", "test_elsewhere", "test_power_cut", "test_workflow", "test_own_tasks")


def pytest_collection_modifyitems(items):
    def place(item):
        name = item.path.stem
        return FIRST.index(name) if name in FIRST else len(FIRST)

    items.sort(key=place)  # stable: the others stay as they are
