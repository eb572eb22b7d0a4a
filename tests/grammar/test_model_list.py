"""The models of a flow, and those of its model config that no task uses."""

from grammar.documents.models import ModelConfig, Task
from grammar.loading.model_list import models_of


def test_a_model_of_another_backend_is_listed_with_it() -> None:
    config = ModelConfig(
        models={"a": "id-a", "b": "id-b"}, model_settings={"b": {"backend": "copilot_sdk", "temperature": 1}}
    )
    used, unused = models_of(config, [Task(name="one", user_prompt="x", model="a")], {})
    assert (used.model, used.settings, used.tasks) == ("id-a", {}, ("one",))
    assert (unused.model, unused.settings, unused.tasks) == ("id-b", {"backend": "copilot_sdk", "temperature": 1}, ())
