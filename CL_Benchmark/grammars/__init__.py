"""The grammars and word lists behind the bundled data, one module for each kind of task."""
