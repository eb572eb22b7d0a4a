"""What `env()` returned is used, never recorded: a reference stands for it in all that is written down.

A reference reads `⟦env:NAME:KEY⟧`, or `⟦env:NAME|FORM:KEY⟧` where the text holds the value in another form
(grammar/templating/secret_forms.py). KEY is drawn for each run. It is no secret to who reads the run's history, so it
alone keeps nobody from making references up: it is taken out of what comes from outside (`hide`), and only variables
that the run's own templates asked for are put back (`reveal`). What only people read has `⟦env:NAME⟧`, which is put
back nowhere.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import TypeVar

from pydantic import JsonValue

from grammar.templating.secret_forms import FORMS, forms, longest, without_percent_encoding

T = TypeVar("T", bound=JsonValue)

# Of a name, a form and a key, with all around them.
LONGEST_REFERENCE = 400
_REFERENCE = r"⟦env:([^:|⟧]{1,256})(?:\|([a-z0-9-]{1,32}))?"
_OF_ANY_RUN = re.compile(_REFERENCE + r":[0-9a-zA-Z]{1,64}⟧")


def reference(name: str, key: str, form: str = "") -> str:
    """Return what stands for the variable in a record."""
    return f"⟦env:{name}|{form}:{key}⟧" if form else f"⟦env:{name}:{key}⟧"


def placeholder(name: str) -> str:
    """Return what stands for the variable where it is not put back."""
    return f"⟦env:{name}⟧"


def hide(value: T, secrets: Mapping[str, str], key: str, withheld: Mapping[str, str] | None = None) -> T:
    """Return `value`, which comes from outside, as it may be recorded: with references for secrets (name -> value).

    What looks like a reference of the run in it is none. `withheld`: secrets for which no reference stands, but a
    placeholder. Secrets that are too short to tell from other texts stay.
    """
    replace = _replacing(secrets, key, withheld or {})
    return _texts(value, lambda text: replace(without_key(text, key)))


def mask(text: str, secrets: Mapping[str, str]) -> str:
    """Return a text as people may read it: with placeholders for secrets, and for references of any run."""
    return _OF_ANY_RUN.sub(_as_placeholder, _replacing({}, "", secrets)(text))


def reveal(value: T, names: Collection[str], environ: Mapping[str, str], key: str) -> T:
    """Return `value` with each reference to one of `names` replaced by the variable; others become placeholders.

    `names`: of the variables that the run's templates asked for. Raises KeyError for one of them that is not set here.
    """

    def put_back(match: re.Match[str]) -> str:
        name, form = match[1], match[2] or ""
        return FORMS[form](environ[name]) if name in names and form in FORMS else placeholder(name)

    pattern = _references(key)
    return _texts(value, lambda text: pattern.sub(put_back, text))


def without_key(text: str, key: str) -> str:
    """Return a text without the ends of references with that key, JSON-escaped ones included: it may be parsed yet."""
    if key not in text and "\\u" not in text:
        return text
    return _end_of_reference(key).sub("⟧", text)


@lru_cache(maxsize=64)
def _end_of_reference(key: str) -> re.Pattern[str]:
    return re.compile("".join(rf"(?:{re.escape(sign)}|\\+u(?i:{ord(sign):04x}))" for sign in f":{key}⟧"))


def reach(secrets: Iterable[str]) -> int:
    """Return how long what `hide` replaces may be, in characters, where these are the secrets."""
    return max([LONGEST_REFERENCE, *map(longest, secrets)])


def _references(key: str) -> re.Pattern[str]:
    return re.compile(f"{_REFERENCE}:{re.escape(key)}⟧")


def _as_placeholder(found: re.Match[str]) -> str:
    return placeholder(found[1])


def _replacing(secrets: Mapping[str, str], key: str, withheld: Mapping[str, str]) -> Callable[[str], str]:
    """Return what replaces the secrets in a text, each where it stands: what was put in is not searched again."""
    known = {text: reference(name, key, form) for name, secret in secrets.items() for text, form in _by_text(secret)}
    known = {text: placeholder(name) for name, secret in withheld.items() for text, _ in _by_text(secret)} | known
    placeholders = {secret: placeholder(name) for name, secret in (*withheld.items(), *secrets.items())}
    # The longest first: one secret may stand in another.
    pattern = re.compile("|".join(map(re.escape, sorted(known, key=len, reverse=True))))

    def replace(text: str) -> str:
        if any(secret in text for secret in known):  # much faster than the pattern, and most texts have none
            text = pattern.sub(lambda found: known[found[0]], text)
        return without_percent_encoding(text, placeholders)

    return replace


def _by_text(secret: str) -> Collection[tuple[str, str]]:
    return forms(secret).items()


def _texts(value: T, change: Callable[[str], str]) -> T:
    if isinstance(value, str):
        return change(value)  # type: ignore[return-value]
    if isinstance(value, list):
        return [_texts(item, change) for item in value]  # type: ignore[return-value]
    if isinstance(value, dict):
        return {change(name): _texts(item, change) for name, item in value.items()}  # type: ignore[return-value]
    return value
