"""The SDK's native log, through Python's logging: on its own it prints to stdout, which is the user's."""

import logging
from functools import cache

from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter


@cache
def sdk_runtime() -> Runtime:
    """Return the one SDK runtime of this process, for `Client.connect(runtime=...)`. Logger: `temporalio.core`."""
    forwarding = LogForwardingConfig(logging.getLogger("temporalio.core"))
    levels = TelemetryFilter(core_level="WARN", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(levels, forwarding)))
