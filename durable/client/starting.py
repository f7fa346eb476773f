"""What a start may say beyond name, id and input; and what the app says about starts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

from durable.client import asking
from durable.errors import UsageError
from durable.hub.starting import StartRequest
from durable.model.versions import VersionPolicy

log = logging.getLogger("durable.client")


class StartOptions(TypedDict, total=False):
    """What a start may say; `Client.start_new` tells what each means."""

    version: str | None
    scheduled_start_time: datetime | None
    tags: Mapping[str, str] | None
    override_running: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class StartRules:
    """What host.json says about starts.

    Attributes:
        versions: its version is that of instances whose start names none.
        override_running: a start may replace an instance that has not ended.
    """

    versions: VersionPolicy = field(default_factory=VersionPolicy)
    override_running: bool = False

    def request(
        self, name: str, instance_id: str, input_text: str | None, options: StartOptions
    ) -> StartRequest:
        """The start a user asks for, checked.

        Raises:
            UsageError: an option of the wrong kind; it names the parameter.
        """
        override = options.get("override_running")
        return StartRequest(
            name=name,
            instance_id=instance_id,
            input=input_text,
            version=self.versions.stamp(asking.optional(options.get("version"), "version")),
            tags=tags_of(options.get("tags")),
            scheduled_start_time=asking.moment(
                options.get("scheduled_start_time"), "scheduled_start_time"
            ),
            override_running=self.override_running if override is None else override,
        )

    def warn_of(self, instance_id: str, version: str | None) -> None:
        """Tell who started an instance of a version that the app itself does not run."""
        if self.versions.leaves(version):
            log.warning(
                "instance %r was started with version %r, which this app leaves to another: its "
                "defaultVersion is %r, its versionMatchStrategy %s (host.json)",
                instance_id,
                version,
                self.versions.version,
                self.versions.match,
            )


def tags_of(given: object) -> dict[str, str] | None:
    """A user's tags, checked; None for none.

    How much room they may take is checked where they are written.

    Raises:
        UsageError: no mapping of texts to texts, or a name that is taken; it names the tag.
    """
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise UsageError(f"tags must be a dict of texts by name, not a {type(given).__name__}.")
    found: dict[str, str] = {}
    for name, value in given.items():
        if not isinstance(name, str):
            raise UsageError(f"The name of a tag must be a text; {name!r} is not.")
        if name == "$type":
            raise UsageError("A tag can't be named '$type': the format has that name for itself.")
        if not isinstance(value, str):
            raise UsageError(
                f"Tag {name!r} must be a text, not a {type(value).__name__}: use str() or "
                "json.dumps()."
            )
        found[name] = value
    return found or None
