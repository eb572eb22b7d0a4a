"""An agent's system prompt (specification section 6). Pure."""

from collections.abc import Iterable

from grammar.documents.models import Personality

GUIDELINES = (
    "Do not ask the user for anything: nobody is there to answer.",
    "Go on until you have a final result.",
    "Rely on the latest information that your tools gave you, not on what you remember.",
    "Call tools one after the other, never several at once.",
)


def system_prompt(personality: Personality, server_prompts: Iterable[str]) -> str:
    """Return personality, guidelines, the toolboxes' guidelines and primary task, each only where it says something."""
    parts = [
        personality.personality.strip(),
        _section("Important Guidelines", [f"- {line}" for line in GUIDELINES]),
        _section("Additional Guidelines", [prompt.strip() for prompt in server_prompts if prompt.strip()]),
        _section("Primary Task", [personality.task.strip()] if personality.task.strip() else []),
    ]
    return "\n\n".join(filter(None, parts))


def _section(title: str, lines: list[str]) -> str:
    return "\n".join([f"# {title}", *lines]) if lines else ""
