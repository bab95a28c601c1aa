"""Snakemake that asks SLURM for its jobs every second: the plugin waits ten seconds longer each time none has ended."""

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

RemoteExecutor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)
main()
