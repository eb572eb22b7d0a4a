"""A run's report as JSON, with the outputs that payload storage keeps."""

from typing import Any

from console.screen import Screen
from grammar.contracts import RunReport
from grammar.errors import StorageFailed
from runtime.documents import filled
from runtime.place import Place


async def as_json(here: Place, report: RunReport, view: Screen) -> dict[str, Any]:
    """The report. Where payload storage fails, it says where the outputs are; the run's status is as it was."""
    try:
        report = await filled(report, here.documents)
    except StorageFailed as error:
        view.err.print(f"some outputs cannot be shown: {error}", markup=False)
    return report.model_dump(mode="json", exclude=None if report.stored else {"stored"})
