"""What a decorated name is: a Functions builder that knows it is durable.

The decorators of azure.functions may come in any order, each one taking the builder of the one
below. So all of them work on one class, and only when the app is indexed is it decided what a
builder becomes: a function of the host (HTTP, queue, timer ...), or an orchestrator, activity or
entity, of which the host learns nothing (it does not know their binding types).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from azure.functions.decorators.core import AuthLevel, Binding, Setting, Trigger
from azure.functions.decorators.function_app import Function, FunctionBuilder

from durable.authoring.definitions import FunctionKind
from durable.errors import UsageError
from durable.functions.injection import ClientInput, ClientSource, inject_clients

log = logging.getLogger("durable.functions")

UserFunction = Callable[..., Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class DurableMark:
    """What a durable decorator said: the kind, the parameter it names, and a name of its own."""

    kind: FunctionKind
    parameter: str
    name: str | None = None
    input_type: type | None = None


_RETRIES = {
    FunctionKind.ORCHESTRATOR: "call_sub_orchestrator_with_retry",
    FunctionKind.ACTIVITY: "call_activity_with_retry",
    FunctionKind.ENTITY: "the caller",
}


class _DurableFunction(Function):
    """A Function whose user function can be put in another one's place."""

    def present(self, function: UserFunction) -> None:
        """Show `function` to the worker."""
        self._func = function


class DurableFunctionBuilder(FunctionBuilder):
    """A function being decorated; what the decorated name is bound to.

    Calling it calls the user's function, so a test can do so directly.
    """

    def __init__(self, function: UserFunction, script_file: str) -> None:
        super().__init__(function, script_file)  # type: ignore[no-untyped-call]
        self.user_function = function
        self.mark: DurableMark | None = None
        self.clients: tuple[ClientInput, ...] = ()
        self._shown = _DurableFunction(function, script_file)
        self._function: Function = self._shown
        self._source: ClientSource | None = None

    def __call__(self, *args: object, **kwargs: object) -> Any:
        """Call the user's function."""
        return self.user_function(*args, **kwargs)

    @property
    def name(self) -> str:
        """The name in force: the durable decorator's, else function_name's, else Python's."""
        if self.mark is not None and self.mark.name:
            return self.mark.name
        return self._shown.get_function_name() or self.user_function.__name__

    @property
    def kind(self) -> FunctionKind | None:
        """Which kind of durable function it is; None when it is none."""
        return self.mark.kind if self.mark else None

    @property
    def orchestrator_function(self) -> UserFunction:
        """The user's orchestrator."""
        return self._user_function(FunctionKind.ORCHESTRATOR)

    @property
    def activity_function(self) -> UserFunction:
        """The user's activity."""
        return self._user_function(FunctionKind.ACTIVITY)

    @property
    def entity_function(self) -> UserFunction:
        """The user's entity."""
        return self._user_function(FunctionKind.ENTITY)

    @property
    def client_function(self) -> UserFunction:
        """The user's client function, which takes the client."""
        if not self.clients:
            raise AttributeError(f"{self.name!r} has no durable client: no client_function.")
        return self.user_function

    def become(self, mark: DurableMark) -> DurableFunctionBuilder:
        """Make it an orchestrator, activity or entity.

        Raises:
            UsageError: it is one already, or has bindings that only the host can serve.
        """
        if self.mark is not None:
            raise UsageError(
                f"{self.name!r} is an {self.mark.kind} already; one function is one thing."
            )
        self.mark = mark
        for binding in self._shown.get_bindings():
            self._refuse(binding)
        if self.clients:
            raise UsageError(self._client_refusal())
        if not isinstance(self.user_function, type):
            # As 1.7 has it, for unit tests that reach the function through build(). A bound method
            # takes no attributes.
            with contextlib.suppress(AttributeError):
                setattr(self.user_function, f"{mark.kind}_function", self.user_function)
        return self

    def add_client(self, client: ClientInput) -> DurableFunctionBuilder:
        """Give the function a durable client in the parameter `client` names.

        Raises:
            UsageError: the parameter does not exist, or the function is itself durable.
        """
        if self.mark is not None:
            raise UsageError(self._client_refusal())
        self.clients = (*self.clients, client)
        self._shown.present(inject_clients(self.user_function, self.clients, self._find_source))
        return self

    def bind(self, source: ClientSource) -> None:
        """Say where its clients come from: the app that was indexed with it."""
        self._source = source

    def add_trigger(self, trigger: Trigger) -> FunctionBuilder:
        self._refuse(trigger)
        return super().add_trigger(trigger)

    def add_binding(self, binding: Binding) -> FunctionBuilder:
        self._refuse(binding)
        return super().add_binding(binding)

    def add_setting(self, setting: Setting) -> FunctionBuilder:
        if self.mark is not None and setting.setting_name == "retry_policy":
            log.warning(
                "The retry decorator does nothing for %s %s; ask for retries in the call: %s.",
                self.mark.kind,
                self.name,
                _RETRIES[self.mark.kind],
            )
        return super().add_setting(setting)

    def build(self, auth_level: AuthLevel | None = None) -> Function:
        """The function as azure.functions indexes it.

        A unit test may call it without arguments to reach the user's function.

        Raises:
            UsageError: a plain func.FunctionApp indexes it, which cannot serve durable functions.
        """
        if auth_level is not None and self._source is None and (self.mark or self.clients):
            raise UsageError(
                f"{self.name!r} is a durable function, but the app that holds it is a plain "
                "func.FunctionApp, which cannot run it. Make the app a df.DFApp() "
                "(import durable as df); everything else stays as it is."
            )
        if self.mark is not None:
            return self._shown
        return super().build(auth_level)

    def _find_source(self) -> ClientSource:
        if self._source is None:
            raise UsageError(
                f"{self.name!r} was called before a df.DFApp was indexed with it: there is no "
                "task hub for its client. In a unit test call "
                f"{self.user_function.__name__}.client_function with a client of your own."
            )
        return self._source

    def _user_function(self, kind: FunctionKind) -> UserFunction:
        if self.mark is None or self.mark.kind is not kind:
            raise AttributeError(f"{self.name!r} is no {kind}: no {kind}_function.")
        return self.user_function

    def _refuse(self, binding: Binding) -> None:
        """Durable functions are called by the engine, so nobody would fill other bindings."""
        if self.mark is None:
            return
        raise UsageError(
            f"{self.mark.kind.capitalize()} {self.name!r} must not have the binding "
            f"{binding.type!r} (parameter {binding.name!r}): the engine calls it, not the "
            "Functions host, which alone could serve that binding. "
            + (
                "Use the service's SDK client in the activity instead (for a blob: "
                "azure.storage.blob.aio.BlobClient)."
                if self.mark.kind is FunctionKind.ACTIVITY
                else "Do it in an activity, with the service's SDK client."
            )
        )

    def _client_refusal(self) -> str:
        kind = self.mark.kind if self.mark else "durable function"
        return (
            f"{self.name!r} is an {kind} and cannot have durable_client_input: use what its "
            "context offers (sub-orchestrations, entities), or a client in an HTTP, queue or "
            "timer function."
        )
