"""The processes of scripts and servers: started beside the worker, and ended with all that they started."""
