"""The file `.env` of the working directory: variables for a process, beneath those that it has."""

from pathlib import Path

from dotenv import load_dotenv

from grammar.errors import UserError


def load() -> None:
    """Set the variables that `.env` has and the environment has not; without the file, none.

    Raises UserError where the file cannot be read, or the working directory is gone.
    """
    try:
        path = Path.cwd() / ".env"
    except OSError as error:
        raise UserError(f"the working directory cannot be used: {error.strerror}; cd to one that can") from error
    try:
        load_dotenv(path, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: {error.reason} at byte {error.start}; save it as UTF-8") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}; put it right, or remove it") from error
