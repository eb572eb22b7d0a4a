"""Every template of a task: its own, and the prompts that they include."""

from collections.abc import Mapping

from grammar.documents.models import Task
from grammar.templating import template_outline


def templates_of(task: Task, prompts: Mapping[str, str]) -> list[str]:
    """Return all that is rendered for the task, expressions as templates. `prompts`: the bundle's, by name."""
    expressions = [as_template(text) for text in (task.if_, task.over) if text is not None]
    texts = [prompts[name] for name in included(task, prompts)]
    return [task.user_prompt or "", *task.env.values(), *texts, *expressions]


def included(task: Task, prompts: Mapping[str, str]) -> list[str]:
    """Return the names of the prompts that the task's prompt includes, and that those include."""
    left, found = [task.user_prompt or ""], list[str]()
    while left:
        for include in template_outline.includes(left.pop()):
            name = include.name or ""
            if name in prompts and name not in found:
                found.append(name)
                left.append(prompts[name])
    return found


def as_template(expression: str) -> str:
    """Return a template that reads what an expression, such as `over`, reads."""
    return "{{ (" + expression.rstrip() + ") }}"
