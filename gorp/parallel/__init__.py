"""Many processes of one job."""
