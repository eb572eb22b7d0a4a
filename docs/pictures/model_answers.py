"""What the model says in the pictures: reviews of files, one refused, and one that has to wait."""

from tests.support.scripted_endpoint import Call, Match, Reply

RETRY_AFTER = "20"  # seconds
FINDINGS = {
    "auth": "Compares tokens with strcmp: how long that takes tells how much of one is right.",
    "cache": "Evicts under the lock, so that a slow disk holds up every reader.",
    "cookies": "Sets no SameSite, and no Secure behind a proxy.",
    "crypto": "Seeds the generator with the time of day.",
    "email": "Takes everything after the last @ for the host, also a line break.",
    "uploads": "Trusts the length that the client names, and allocates it.",
}
NOTHING = "Nothing that would break under load; error paths free what they took."
LETTER = (
    "Thank you for keeping src/crypto.c so readable. One thing should be mended soon: the generator is seeded with the "
    "time of day, so whoever knows when it started knows what it will say. getrandom(2) is there for that."
)


def rules() -> list[Reply]:
    """Return the rules of the scripted model; the first that fits answers."""
    return [*_hello(), *_failures(), *_reviews(), *_end()]


def _hello() -> list[Reply]:
    things = {
        "lamp": "A lamp is a device that gives light.",
        "river": "A river is a natural stream of water that flows to the sea.",
        "bicycle": "A bicycle is a vehicle with two wheels, driven by its rider.",
        "moon": "A moon is a body that orbits a planet.",
    }
    greeting = "Hello! Today you learned about lamp, river, bicycle, moon."
    answers = [Reply(when=Match(prompt=f"What is a {thing}"), text=text, delay=0.4) for thing, text in things.items()]
    return [*answers, Reply(when=Match(prompt="greeting"), text=greeting, delay=0.4)]


def _failures() -> list[Reply]:
    """A refusal, a rate limit for each of the two runs in the pictures, and a call that waits for a person."""
    return [
        Reply(
            when=Match(prompt="^Review src/headers"), status=400, message="the prompt was refused by the content filter"
        ),
        Reply(
            when=Match(prompt="^Review src/jobs"),
            times=2,
            status=429,
            headers={"retry-after": RETRY_AFTER},
            message="slow down",
        ),
        Reply(when=Match(prompt="Clear the memcache", turn=0), tool_calls=[Call(name="memcache_clear_cache")]),
    ]


def _reviews() -> list[Reply]:
    findings = {f"src/{name}": text for name, text in FINDINGS.items()} | {"src/": NOTHING}
    return [
        rule
        for file, text in findings.items()
        for rule in (
            Reply(
                when=Match(prompt=f"^Review {file}", turn=0),
                tool_calls=[Call(name="logbook_write", arguments={"key": "review", "entry": text})],
                delay=1,
                usage=(2900, 60),
            ),
            Reply(when=Match(prompt=f"^Review {file}"), text=text, delay=1.5, usage=(3100, 40)),
        )
    ]


def _end() -> list[Reply]:
    worst = '{"file": "src/crypto.c", "reason": "its generator is seeded with the time of day"}'
    return [
        Reply(when=Match(prompt="^Which is the worst"), text=worst, delay=2, usage=(1400, 30)),
        Reply(when=Match(prompt="^Tell the authors"), text=LETTER, delay=2, usage=(120, 90)),
    ]
