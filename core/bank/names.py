"""Which names a bank may carry: they come from other machines and end up in terminals, pages and paths."""

from __future__ import annotations

import re

from core.errors import ShapeError

LONGEST = 1024
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")  # and surrogates
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,127}")


def check_image_name(name: str) -> None:
    """Raise ShapeError unless ``name`` is a plain relative name such as ``good/0001.png``.

    Up to 1024 characters, parts joined by ``/``; no part empty, ``.`` or ``..``; no backslash, no drive
    letter, no control, line-breaking or direction-changing character.
    """
    if not 1 <= len(name) <= LONGEST:
        raise _refused(f"be from 1 to {LONGEST} characters long", f"{len(name)} characters")
    if _UNSEEN.search(name):
        raise _refused("hold no control or direction-changing characters", ascii(name))
    if "\\" in name or name[1:2] == ":" or any(part in ("", ".", "..") for part in name.split("/")):
        raise _refused("be relative and stay inside its folder", ascii(name))


def check_label(label: str, of: str) -> None:
    """Raise ShapeError unless ``label`` is 1 to 128 ASCII letters, digits and ``._:+-``, as in ``layer2``."""
    if not _LABEL.fullmatch(label):
        raise ShapeError(
            requirement=f"{of} must be 1 to 128 ASCII letters, digits and ._:+- after a letter or digit",
            received=ascii(label)[:80],
            remedy="choose a plain name",
        )


def _refused(requirement: str, received: str) -> ShapeError:
    return ShapeError(f"an image name must {requirement}", received[:80], "rename the image")
