"""Write a data card into every run folder; light: the work is imported when the data is ready."""

from __future__ import annotations

import logging
from typing import Any

from lamcore import hookimpl


@hookimpl
def on_data(run: Any, data: Any) -> None:
    """Write data-card.json and data-card.md; what goes wrong is a warning."""
    try:
        from lamcore.store import dumps, write
        from lamcore_data_card.card import card
        from lamcore_data_card.page import page

        made = card(run.recipe.name, data)
        write(run.folder / "data-card.json", dumps(made))
        write(run.folder / "data-card.md", page(made))
    except Exception as error:
        logging.getLogger("lamcore").warning("no data card: %s: %s", type(error).__name__, error)
