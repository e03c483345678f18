"""What can be done with a version: activate or roll back, download, delete."""

from __future__ import annotations

from functools import partial

from app.console.text.versions import VERSIONS as TEXT
from app.console.view import View
from app.console.widgets.buttons import danger, primary, secondary
from app.console.widgets.dialogs import confirm
from app.learning import versions
from app.store.schema import Bank, Version


def actions(view: View, bank: Bank, version: Version) -> None:
    """Buttons, the ones that make sense now."""
    if version.number != bank.active_version:
        older = bank.active_version is not None and version.number < bank.active_version
        name, icon = (TEXT.roll_back, "history") if older else (TEXT.activate, "play_arrow")
        primary(view, name, partial(_activate, view, bank, version.number), icon=icon, role="admin")
    bundle = view.url("media", "banks", bank.id, "versions", version.number, "bundle")
    secondary(view, TEXT.download, lambda: view.go(bundle), icon="download")
    if version.number != bank.active_version:
        danger(view, TEXT.delete, partial(_ask_delete, view, version), icon="delete", role="admin")


async def _activate(view: View, bank: Bank, number: int) -> None:
    """On the state of the bank that the page shows: another's change since is told, not overwritten."""
    await versions.activate(view.service.learning, bank.id, number, bank.revision, view.actor.id)
    view.say(TEXT.activated.format(n=number))
    view.reload()


def _ask_delete(view: View, version: Version) -> None:
    async def delete() -> None:
        number = version.number
        await view.run(lambda: view.service.store.versions.remove(version.bank, number, actor=view.actor.id))
        view.go(view.url("banks", version.bank, "versions"))

    confirm(view, TEXT.delete_title.format(n=version.number), TEXT.delete_text, TEXT.delete, delete)
