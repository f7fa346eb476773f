"""An activity's argument and result, and their JSON texts."""

from __future__ import annotations

from durable.authoring.definitions import ActivityDefinition
from durable.authoring.registry import Registry
from durable.wire import payloads


def encode_argument(name: str, value: object) -> str:
    """The input of a TaskScheduled: an array of the one argument (DTFx has argument lists).

    Raises:
        NotSerializable: it is not JSON.
    """
    return f"[{payloads.encode_input(value, what=f'the input of activity {name!r}')}]"


class ActivityCodec:
    """What activity code gets, and what becomes of what it returns."""

    def __init__(self, definition: ActivityDefinition, registry: Registry) -> None:
        self._definition = definition
        self._registry = registry

    def argument(self, text: str | None) -> object:
        """The argument in a TaskScheduled's input, as the activity's annotation has it.

        Raises:
            ValueError: it cannot be made into that.
            TypeError: it is of another type.
        """
        element = payloads.first_element(text)
        return payloads.decode_input(
            element,
            self._definition.input_type,
            known=self._registry.known_types,
            lenient=True,
        )

    def encode_result(self, value: object) -> str:
        """The result of a TaskCompleted.

        Raises:
            NotSerializable: it is not JSON.
        """
        return payloads.encode(value, what=f"the result of activity {self._definition.name!r}")
