"""Which environment variables a template may read by `env()`."""

from jinja2 import nodes

from grammar.templating import template_outline


def variables(template: str) -> list[str | None]:
    """Return the names that it hands to `env()`, in its order; None among them: one that only the template can compute.

    Empty also for a template that cannot be compiled.
    """
    tree = template_outline.parsed(template)
    if tree is None:
        return []
    calls = [call for call in tree.find_all(nodes.Call) if _is_env(call.node)]
    is_handed_on = sum(_is_env(name) for name in tree.find_all(nodes.Name)) > len(calls)
    return [_name(call) for call in calls] + ([None] if is_handed_on else [])


def _is_env(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "env" and node.ctx == "load"


def _name(call: nodes.Call) -> str | None:
    given = call.args[:1] or [word.value for word in call.kwargs if word.key == "name"]
    value = given[0].value if given and isinstance(given[0], nodes.Const) else None
    return value if isinstance(value, str) else None
