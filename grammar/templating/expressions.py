"""What `if` and `over` say: an expression, or a template that is nothing but one `{{ }}` (specification section 4)."""

import jinja2

_LEXER = jinja2.Environment()  # noqa: S701 - it renders nothing
_BRACES = ("{{", "{%", "{#")
_WANTED = "an expression is needed, not a template: write what stands between {{ and }}, such as `globals.x`"


def inside(text: str) -> str:
    """Return the expression that the text means: itself, or what is in the one `{{ }}` that it is.

    Raises jinja2.TemplateSyntaxError for any other template.
    """
    written = text.strip()
    if not written.startswith(_BRACES):
        return text
    tokens = list(_LEXER.lex(written))
    kinds = [kind for _, kind, _ in tokens]
    if kinds.count("variable_begin") > 1 or (kinds[0], kinds[-1]) != ("variable_begin", "variable_end"):
        raise jinja2.TemplateSyntaxError(_WANTED, 1)
    return "".join(value for _, _, value in tokens[1:-1])


def as_template(expression: str) -> str:
    """Return a template that reads what the expression reads; a malformed one as it is written."""
    try:
        return "{{ (" + inside(expression).rstrip() + ") }}"
    except jinja2.TemplateSyntaxError:
        return expression


def advice(expression: str, compiles: bool) -> str | None:
    """Return what to write in place of a template; None: it is an expression. `compiles`: whether as_template() does.

    Braces may stand in an expression, as in a text: they are taken for the fault only where there is one.
    """
    try:
        inside(expression)
    except jinja2.TemplateSyntaxError:
        return _WANTED
    return _WANTED if not compiles and any(brace in expression for brace in _BRACES) else None
