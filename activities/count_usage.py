"""What an agent run has used, by its journal: asked where its worker was lost for good, and could not tell."""

from temporalio import activity

from activities.process.activity_errors import application_errors
from activities.process.preloading import load
from activities.process.secrets import Secrets, mask_all
from activities.storage.journal_store import JournalStore, journal_key
from grammar.errors import StorageFailed
from grammar.messages import names
from grammar.messages.activity_requests import CountUsageRequest
from grammar.messages.activity_results import Usage


class CountUsageActivity:
    """Hold the `count_usage` activity. `journals`: keeps the journals; None: without storage it fails."""

    def __init__(self, journals: JournalStore | None) -> None:
        self._journals = journals

    @activity.defn(name=names.COUNT_USAGE)
    async def count_usage(self, request: CountUsageRequest) -> Usage:
        """Return what the journal holds of usage; nothing where there is no journal yet."""
        with application_errors(mask_all):
            if self._journals is None:
                raise StorageFailed("no storage keeps journals here, so that nothing is known of what was used")
            await load()
            from activities.storage.journal import Journal

            run = activity.info().workflow_id
            assert run
            key = journal_key(run, request.key, request.journal)
            journal = Journal(self._journals, key, Secrets(request.secrets, request.key))
            await journal.read()
            return journal.usage
