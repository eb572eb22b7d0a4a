"""A worker as a family of processes: one that serves workflow tasks, others that run activities, and their parent."""
