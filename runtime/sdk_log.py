"""The SDK's native log, through Python's logging: on its own it prints to stdout, which is the user's."""

import logging
from functools import cache

from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

# An activity that ends after its run was cancelled or ended says so in half a page. It is as it should be.
_EXPECTED = "Activity not found on completion"


def _is_news(record: logging.LogRecord) -> bool:
    return _EXPECTED not in record.getMessage()


@cache
def sdk_runtime() -> Runtime:
    """Return the one SDK runtime of this process, for `Client.connect(runtime=...)`. Logger: `temporalio.core`."""
    log = logging.getLogger("temporalio.core")
    log.addFilter(_is_news)
    forwarding = LogForwardingConfig(log)
    levels = TelemetryFilter(core_level="WARN", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(levels, forwarding)))
