"""Words of the place where files are dropped."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Uploader:
    """English."""

    drop: str = "Drop images, folders or an archive here"
    formats: str = "PNG, JPEG, TIFF, BMP, WebP; zip or tar of them. Good parts only, as the camera sees them."
    files: str = "Choose files"
    folder: str = "Choose a folder"
    stop: str = "Stop"
    sending: str = "Sending"
    checking: str = "Sent; the server looks at every image"
    done: str = "Done"
    stopped: str = "Stopped; what was taken stays"
    failed: str = "Not everything was taken"
    lost: str = "The connection is lost. Sending goes on by itself; what was taken is kept."
    accepted: str = "accepted"
    duplicate: str = "already there"
    rejected: str = "rejected"
    answers: str = "File by file"


UPLOADER = Uploader()
