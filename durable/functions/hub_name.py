"""The task hub's name: what host.json says, else the site's, by the Durable extension's rules."""

from __future__ import annotations

from collections.abc import Mapping

from durable.errors import BadConfig
from durable.model.ids import MAX_HUB_NAME, MIN_HUB_NAME

_WITHOUT_SITE = "TestHubName"
_PRODUCTION = "production"


def hub_name(named: str | None, environ: Mapping[str, str]) -> str:
    """The name of the app's hub; `named` is what host.json says, None when it says nothing.

    Raises:
        BadConfig: the app runs in a deployment slot and has no hub name of its own. All slots of
            an app share the settings it would be made from, and so one slot's code could run what
            another's started.
    """
    default = _after_site(environ)
    slot = environ.get("WEBSITE_SLOT_NAME", "")
    if slot and slot.lower() != _PRODUCTION and named in {None, default}:
        raise BadConfig(
            "Task Hub name must be specified in host.json when using slots: this is slot "
            f"{slot!r}. Set extensions.durableTask.hubName to another name than {default!r}, for "
            "example to '%HUB_NAME%' with an app setting HUB_NAME that stays with its slot."
        )
    return default if named is None else named


def _after_site(environ: Mapping[str, str]) -> str:
    """The site's name as a hub can have it, so that an app with any name starts."""
    site = environ.get("WEBSITE_SITE_NAME")
    if not site:
        return _WITHOUT_SITE
    kept = "".join(c for c in site if c.isalnum())
    if not kept:
        return "DefaultTaskHub"
    if kept[0].isdigit():
        kept = f"t{kept}"
    kept = kept[:MAX_HUB_NAME]
    return kept if len(kept) >= MIN_HUB_NAME else f"{kept}Hub"
