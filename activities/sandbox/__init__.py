"""The sandbox of scripts and servers: what it lets through, and how it is made (specification section 10)."""
