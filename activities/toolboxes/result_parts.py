"""The parts of a tool's result, as models and people can be given them: texts and images. Pure."""

import json

from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)


def with_readable_parts(result: CallToolResult) -> CallToolResult:
    """Return the result with a text for each part that is neither text nor image: what the SDK would send as base64."""
    if all(isinstance(part, TextContent | ImageContent) for part in result.content):
        return result
    return result.model_copy(update={"content": [_readable(part) for part in result.content]})


def media_text(kind: str, base64: str) -> str:
    """Return a text in place of what is no text: its media type, and its size in bytes."""
    size = len(base64) * 3 // 4 - base64[-2:].count("=")
    return f"[{kind or 'data'}, {size:,} bytes]"


def text_of(output: object) -> str:
    """Return the parts of a tool's output, joined by newlines; of an image, its media type and size."""
    if isinstance(output, list):
        return "\n".join(text_of(part) for part in output)
    if isinstance(output, dict) and isinstance(output.get("image_url"), str):
        kind, _, data = output["image_url"].removeprefix("data:").partition(";base64,")
        return media_text(kind, data) if data else output["image_url"]
    if isinstance(output, dict):
        return str(output.get("text", json.dumps(output)))
    return str(output)


def _readable(part: ContentBlock) -> ContentBlock:
    match part:
        case AudioContent():
            return _text(media_text(part.mime_type, part.data))
        case ResourceLink():
            return _text(" ".join(filter(None, [part.title or part.name, part.description, f"<{part.uri}>"])))
        case EmbeddedResource(resource=TextResourceContents(text=text)):
            return _text(text)
        case EmbeddedResource(resource=BlobResourceContents() as blob):
            kind = blob.mime_type or ""
            if kind.startswith("image/"):
                return ImageContent(type="image", data=blob.blob, mime_type=kind)
            return _text(f"{blob.uri} {media_text(kind, blob.blob)}")
    return part


def _text(text: str) -> TextContent:
    return TextContent(type="text", text=text)
