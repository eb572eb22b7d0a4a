"""The commands as one program: `run` where the first word is none, and help that has them in groups."""

from typing import Any

from typer import Abort
from typer._click.exceptions import UsageError  # not among what typer exports
from typer.core import TyperCommand, TyperGroup

from commands import env_file, former_options
from commands.checked_words import CheckedWords
from commands.options import wrong
from grammar.errors import InvalidFlow

RUN_COMMAND = "run"
# In the context of a command: whether `run` was said, or is meant.
IS_MEANT = "run is meant"
# They come from scripts for another engine, so that they are no options of a command.
ACCEPTED = (
    ("-t, --taskflow FLOW", "The same as FLOW."),
    ("-l, --list-models", "The same as models."),
    ("--lint FLOW...", "The same as lint FLOW..."),
    ("--schema", "The same as schema."),
    ("--resume ID", "The same as resume ID."),
    ("--manifest ID", "The same as manifest ID."),
)


class Command(CheckedWords, TyperCommand):
    """One command."""


class CommandGroup(TyperGroup):
    """The program. A first word that is neither a command nor an option of the program is what `run` is to run."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in front that is meant. Raises InvalidFlow for an option that is a command now."""
        args, ctx.meta[env_file.NAME] = env_file.split(args)
        own = {name for param in self.get_params(ctx) for name in param.opts}
        if args and args[0] not in own:
            ctx.meta[IS_MEANT] = args[0] not in self.commands
            args = former_options.with_command(args, self.commands, self._valued())
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Do what the command line says. Raises Abort where it is interrupted: typer would say nothing."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Abort from error

    def _valued(self) -> set[str]:
        options = self.commands[RUN_COMMAND].params
        return {name for option in options if not getattr(option, "is_flag", True) for name in option.opts}

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under the heading of their group, and the options that are accepted besides."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            panel = str(getattr(command, "rich_help_panel", None) or "Commands")
            groups.setdefault(panel, []).append((name, command.get_short_help_str(formatter.width)))
        for panel, rows in groups.items():
            with formatter.section(panel):
                formatter.write_dl(rows)
        with formatter.section("From seclab-taskflow-agent, without a command"):
            formatter.write_dl(ACCEPTED)


def usage_problem(error: UsageError) -> InvalidFlow:
    """Return what typer says of a command line as an error of ours, in one line."""
    message = error.format_message().rstrip(".")
    seen = f"; see {error.ctx.command_path} --help" if error.ctx else ""
    return wrong("", f"{message[:1].lower()}{message[1:]}{seen}")
