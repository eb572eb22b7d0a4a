"""Jinja as taskflows use it (specification section 4): strict, in a sandbox, with data before methods, nothing lazy."""

from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from functools import lru_cache, wraps
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.filters import FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment

from grammar.errors import TemplateFailed

_LAZY = (Iterator, KeysView, ValuesView, ItemsView, range)


class _MethodsWhereCalled(CodeGenerator):
    """Compiles `x.items()` to a look-up by `Sandbox.method`, and any other `x.items` to one of data."""

    _called: nodes.Node | None = None

    def visit_Call(self, node: nodes.Call, frame: Frame, forward_caller: bool = False) -> None:  # noqa: N802 - Jinja's
        self._called = node.node
        super().visit_Call(node, frame, forward_caller=forward_caller)

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:  # noqa: N802 - Jinja's
        if node is self._called:
            self._method(node, node.attr, frame)
        else:
            super().visit_Getattr(node, frame)

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802 - Jinja's
        name = node.arg.value if isinstance(node.arg, nodes.Const) else None
        if node is self._called and isinstance(name, str):
            self._method(node, name, frame)
        else:
            super().visit_Getitem(node, frame)

    def _method(self, node: nodes.Getattr | nodes.Getitem, name: str, frame: Frame) -> None:
        self.write("environment.method(")
        self.visit(node.node, frame)
        self.write(f", {name!r})")


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which data has keys, methods only where they are called, and filters give lists.

    `prompts`: what templates include, by name. `finalize`: changes what is put in; None: nothing does.
    """

    code_generator_class = _MethodsWhereCalled

    def __init__(self, prompts: Mapping[str, str], finalize: Callable[[Any], Any] | None = None) -> None:
        super().__init__(
            loader=jinja2.DictLoader(prompts),
            undefined=jinja2.StrictUndefined,
            finalize=lambda value: _shown(finalize(value) if finalize else value),
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
            keep_trailing_newline=False,
        )
        self.filters |= _FILTERS
        self.compiled = lru_cache(maxsize=16)(self.from_string)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return the key of a map, an attribute of what is no data, else Jinja's undefined."""
        return self.getitem(obj, attribute) if _is_data(obj) else super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return the item or the key, an attribute of what is no data, else Jinja's undefined."""
        if not _is_data(obj):
            return super().getitem(obj, argument)
        try:
            return obj[argument]
        except (TypeError, LookupError):
            return self.undefined(obj=obj, name=argument)

    def method(self, obj: Any, name: str) -> Any:
        """Return what a template calls by that name: the key of a map before a method."""
        if isinstance(obj, Mapping) and name in obj:
            return obj[name]
        return super().getattr(obj, name)


def listed(value: Any) -> Any:
    """Return a list of what gives its values one by one; anything else as it is."""
    return list(value) if isinstance(value, _LAZY) and not callable(value) else value


def _shown(value: Any) -> Any:
    """Return what is put into a text. Raises TemplateFailed for a function, which nobody means to be named there.

    Raises jinja2.UndefinedError for what is undefined in a list or a map: as Python shows them, it has no error.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, jinja2.Undefined):
        return str(value)
    if callable(value):
        raise TemplateFailed("a function stands where a value is to be put in: call it, as in env('NAME')")
    value = listed(value)
    if isinstance(value, list | tuple):
        shown = [_shown(entry) for entry in value]
        return shown if isinstance(value, list) else tuple(shown)
    return {key: _shown(entry) for key, entry in value.items()} if isinstance(value, dict) else value


def _eager(jinjas: Callable[..., Any]) -> Callable[..., Any]:
    """Return the filter that gives a list where Jinja's gives one value after the other, as `map` does."""

    @wraps(jinjas)
    def filtered(*args: Any, **kwargs: Any) -> Any:
        return listed(jinjas(*args, **kwargs))

    return filtered


_FILTERS = {name: _eager(jinjas) for name, jinjas in FILTERS.items()}


def _is_data(obj: Any) -> bool:
    """Return whether it is of a JSON type. What `groupby` gives is a tuple with attributes, and none."""
    return obj is None or isinstance(obj, Mapping | list | str | int | float) or type(obj) is tuple
