"""Have each image in the Dockerfile and the compose file stand by its digest, as the registry gives it now.

It asks Docker, so it trusts the registries that Docker is set up with. Run it again for newer images of the same tags.
"""

import re
import subprocess
import sys
from pathlib import Path

FILES = ("Dockerfile", "docker-compose.temporal.yml")
IMAGE = re.compile(r"^(FROM |\s+image: )([^\s@]+)(@sha256:[0-9a-f]{64})?", re.MULTILINE)
VARIABLE = re.compile(r"\$\{\w+:-([^}]*)\}")


def digest(image: str) -> str:
    """Return the digest of an image's index, which has all platforms in it. Raises CalledProcessError."""
    command = ["docker", "buildx", "imagetools", "inspect", image, "--format", "{{.Manifest.Digest}}"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", told):
        raise ValueError(f"docker gives no digest of {image}: {told[:200]!r}")
    return told


def pinned(text: str) -> str:
    """Return a file's text with each image by its digest. What a variable may choose is its default from then on."""
    found: dict[str, str] = {}

    def pin(line: re.Match[str]) -> str:
        image = VARIABLE.sub(r"\1", line[2])
        found[image] = found.get(image) or digest(image)
        return f"{line[1]}{image}@{found[image]}"

    return IMAGE.sub(pin, text)


def main() -> None:
    """Pin the images of all files, or of none."""
    try:
        texts = {name: pinned(Path(name).read_text(encoding="utf-8")) for name in FILES}
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        told = str(getattr(error, "stderr", None) or error).strip().partition("\n")[0]
        sys.exit(f"nothing is changed: {told}; Docker with its plugin buildx is needed, and the images' registries")
    for name, text in texts.items():
        Path(name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
