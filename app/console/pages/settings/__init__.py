"""A bank's settings: what its next build learns with, changed by hand or as advised."""

from __future__ import annotations

from app.console.pages.banks.settings import SettingsFields
from app.console.pages.settings.advice import AdvicePanel
from app.console.pages.settings.words import SETTINGS as TEXT
from app.console.view import View, page
from app.console.widgets.blocks import block, page_header, section
from app.console.widgets.controls import primary, secondary
from app.learning import banks
from core.config import DetectorConfig


@page("/banks/{bank}/settings", TEXT.name, icon="settings", order=25)
async def show(view: View) -> None:
    """The form, and advice below it."""
    view.use("inspection.css")
    bank = view.own_bank
    with page_header(TEXT.name, TEXT.lead.format(bank=bank.title)):
        secondary(view, TEXT.to_teach, lambda: view.go(view.url("banks", bank.id, "teach")), icon="school")

    async def save() -> None:
        """Someone else's change since is told, not overwritten."""
        if fields.validate():
            change = {"config": fields.config()}
            await banks.update(view.service.learning, bank.id, change, bank.revision, view.actor.id)  # type: ignore[arg-type]
            view.say(TEXT.saved)
            view.reload()

    with section(TEXT.form, TEXT.form_hint), block("n-fields"):
        fields = SettingsFields(DetectorConfig.from_json(bank.config))
        with block("n-row"):
            primary(view, TEXT.save, save, icon="save", role="admin")
    panel = AdvicePanel(view, bank)
    await panel.refresh()
