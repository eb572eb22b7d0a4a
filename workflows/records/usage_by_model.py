"""What the models of a task were used for."""

from collections.abc import Iterable

from grammar.messages.activity_results import Usage
from grammar.messages.asked_models import AskedModel
from grammar.messages.continue_as_new import CarriedTask


class UsageByModel:
    """Hold what each model was used for, by its name in the file and the provider's id; each empty if not known."""

    def __init__(self, used: Iterable[AskedModel] = ()) -> None:
        self._used = {(entry.named, entry.model): entry.usage for entry in used}

    @classmethod
    def of_carried(cls, carried: CarriedTask, only_name: str | None) -> "UsageByModel":
        """Return what was used in earlier histories. Older versions did not tell which of several models it was.

        `only_name`: the name of the task's only model; None: it has several.
        """
        if carried.used is not None:
            return cls(carried.used)
        usage = carried.report.usage if carried.usage is None else carried.usage
        model = "" if only_name is None else carried.model
        return cls([AskedModel(named=only_name or "", model=model, usage=usage)] if usage.requests else [])

    def add(self, used: Iterable[AskedModel]) -> None:
        """Count what models were used for besides."""
        for entry in used:
            if entry.usage.requests:
                key = (entry.named, entry.model)
                self._used[key] = self._used.get(key, Usage()) + entry.usage

    def listed(self) -> list[AskedModel]:
        """Return an entry for each model, before it is put on prices."""
        return [AskedModel(named=key[0], model=key[1], usage=usage) for key, usage in sorted(self._used.items())]
