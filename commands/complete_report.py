"""A run's report, with the outputs that payload storage keeps."""

from typing import Any

from console.screen import Screen
from grammar.errors import StorageFailed
from grammar.messages.reports import RunReport
from runtime.backend import Backend
from runtime.storage.document_files import filled


async def as_json(here: Backend, report: RunReport, view: Screen) -> dict[str, Any]:
    """The report, with all its outputs."""
    report = await complete(here, report, view)
    return report.model_dump(mode="json", exclude=None if report.stored else {"stored"})


async def complete(here: Backend, report: RunReport, view: Screen) -> RunReport:
    """The report with all its outputs. Where payload storage fails, it says so; the run's status is as it was."""
    try:
        return await filled(report, here.documents)
    except StorageFailed as error:
        view.err.print(f"some outputs cannot be shown: {error}")
        return report
