"""What tools gave, as a model's API takes it: texts, and images where the model may see them. Pure."""

from collections.abc import Iterator
from typing import Any, Literal

from activities.toolboxes.result_parts import text_of

ImagePlace = Literal["in_result", "after_results", "nowhere"]
"""Where a request has the images of tools: in their results; in a message after these, since results are texts there
(chat completions); nowhere, where the endpoint refuses them. A text says what they are."""

INTRODUCTION = "The images that are named in the results above:"


def as_taken(given: Any, images: ImagePlace) -> Any:
    """Return a request's input with each tool's output as one text, where it is text: not all endpoints take parts."""
    if not isinstance(given, list):
        return given
    return list(_with_images_after(given)) if images == "after_results" else [_plain(item, images) for item in given]


def has_images(given: Any) -> bool:
    """Return whether the input has images of tools."""
    return isinstance(given, list) and any(map(_images, given))


def _with_images_after(items: list[Any]) -> Iterator[Any]:
    """Yield the items; after the results of one turn, which must stand together, a message with their images."""
    waiting: list[Any] = []
    for item in items:
        if waiting and not _is_output(item):
            yield _message(waiting)
            waiting = []
        yield _plain(item, "nowhere")
        waiting += _images(item)
    if waiting:
        yield _message(waiting)


def _message(images: list[Any]) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "input_text", "text": INTRODUCTION}, *images]}


def _plain(item: Any, images: ImagePlace) -> Any:
    parts = item.get("output") if _is_output(item) else None
    if not isinstance(parts, list):
        return item
    is_plain = all(_is_text(part) or (_is_image(part) and images != "in_result") for part in parts)
    return {**item, "output": text_of(parts)} if is_plain else item


def _images(item: Any) -> list[Any]:
    parts = item.get("output") if _is_output(item) else None
    return [part for part in parts if _is_image(part)] if isinstance(parts, list) else []


def _is_output(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "function_call_output"


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "input_text" and isinstance(part.get("text"), str)


def _is_image(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "input_image" and isinstance(part.get("image_url"), str)
