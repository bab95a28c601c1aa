"""The workflow's configuration: settings, variants, orders, paths of results, names of models."""
