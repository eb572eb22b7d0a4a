"""What a flow would do, told before anything of it is run."""
