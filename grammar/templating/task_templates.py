"""Every template of a task: its own, and the prompts that they include."""

from collections.abc import Mapping

from grammar.documents.models import Task
from grammar.templating import template_check


def of(task: Task, prompts: Mapping[str, str]) -> list[str]:
    """All that is rendered for the task. `prompts`: those of the bundle."""
    expressions = [as_template(one) for one in (task.if_, task.over) if one is not None]
    texts = [prompts[name] for name in included(task, prompts)]
    return [task.user_prompt or "", *task.env.values(), *texts, *expressions]


def included(task: Task, prompts: Mapping[str, str]) -> list[str]:
    """The names of the prompts that the task's prompt includes, and that those include."""
    left, found = [task.user_prompt or ""], list[str]()
    while left:
        for include in template_check.includes(left.pop()):
            name = include.name or ""
            if name in prompts and name not in found:
                found.append(name)
                left.append(prompts[name])
    return found


def as_template(expression: str) -> str:
    """An expression, such as `over`, as a template that reads what it reads."""
    return "{{ (" + expression.rstrip() + ") }}"
