"""A run's report, with the outputs that payload storage keeps."""

from typing import Any

from console.screen import Screen
from grammar.errors import StorageFailed
from grammar.messages.reports import RunReport
from runtime.backend import Backend
from runtime.storage.stored_documents import filled


async def as_json(backend: Backend, report: RunReport, screen: Screen) -> dict[str, Any]:
    """Return the report, with all its outputs, as JSON has it."""
    report = await complete(backend, report, screen)
    return report.model_dump(mode="json", exclude=None if report.stored else {"stored"})


async def complete(backend: Backend, report: RunReport, screen: Screen) -> RunReport:
    """Return the report with all its outputs; where payload storage fails, say so, and leave them out."""
    try:
        return await filled(report, backend.documents)
    except StorageFailed as error:
        screen.err.print(f"some outputs cannot be shown: {error}")
        return report
