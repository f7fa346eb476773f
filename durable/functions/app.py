"""DFApp and Blueprint: azure.functions' own, with the durable decorators served by this engine.

Nothing happens at import but collecting. When the worker indexes the app (`get_functions`, once a
process), the durable functions are taken out and kept in the app's registry, and the functions
that run them are put in their place.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, overload

from azure.functions.decorators.core import AuthLevel
from azure.functions.decorators.function_app import (
    BindingApi,
    Function,
    FunctionBuilder,
    FunctionRegister,
    SettingsApi,
    TriggerApi,
)

from durable.authoring.definitions import (
    ActivityDefinition,
    EntityDefinition,
    FunctionKind,
    OrchestratorDefinition,
)
from durable.authoring.registry import Registry
from durable.clock import SystemClock
from durable.errors import UsageError
from durable.functions import triggers
from durable.functions.builder import DurableFunctionBuilder, DurableMark
from durable.functions.config import read_config
from durable.functions.injection import ClientInput
from durable.functions.opening import HubOpening
from durable.functions.owner import Owner
from durable.storage.azure.account import account_config, open_account
from durable.storage.ports import Account

log = logging.getLogger("durable.functions")

UserFunction = Callable[..., Any]
Decorator = Callable[[UserFunction | FunctionBuilder], DurableFunctionBuilder]
Entity = TypeVar("Entity")


class EntityDecorator(Protocol):
    """What `Blueprint.entity_trigger` returns: it goes above a class or a function."""

    @overload  # a class can be called, too: the first that fits counts
    def __call__(self, entity: type[Entity], /) -> type[Entity]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, entity: UserFunction | FunctionBuilder, /) -> DurableFunctionBuilder: ...


class Blueprint(TriggerApi, BindingApi, SettingsApi):
    """Functions collected in a module of their own, for `DFApp.register_functions`.

    `http_auth_level` is accepted as by azure-functions-durable; the app's level is what counts.
    """

    def __init__(self, http_auth_level: AuthLevel | str = AuthLevel.FUNCTION) -> None:
        super().__init__(auth_level=http_auth_level)  # type: ignore[no-untyped-call]

    def orchestration_trigger(
        self, context_name: str, orchestration: str | None = None, input_type: type | None = None
    ) -> Decorator:
        """Register an orchestrator.

        Args:
            context_name: the parameter that takes the context.
            orchestration: its name, when not the function's.
            input_type: what `get_input` decodes to.
        """
        return self._durable(
            DurableMark(
                kind=FunctionKind.ORCHESTRATOR,
                parameter=context_name,
                name=orchestration,
                input_type=input_type,
            )
        )

    def activity_trigger(self, input_name: str, activity: str | None = None) -> Decorator:
        """Register an activity.

        Args:
            input_name: the parameter that takes the input.
            activity: its name, when not the function's.
        """
        return self._durable(
            DurableMark(kind=FunctionKind.ACTIVITY, parameter=input_name, name=activity)
        )

    def entity_trigger(
        self, context_name: str = "context", entity_name: str | None = None
    ) -> EntityDecorator:
        """Register an entity: a function, or a class, which stays the class it is.

        Args:
            context_name: the parameter that takes the context; a class needs none.
            entity_name: its name, when not the function's or the class's.
        """
        mark = DurableMark(kind=FunctionKind.ENTITY, parameter=context_name, name=entity_name)

        def decorate(entity: Any) -> Any:
            builder = self._collect(entity).become(mark)
            return entity if isinstance(entity, type) else builder

        return decorate

    def durable_client_input(
        self,
        client_name: str,
        task_hub: str | None = None,
        connection_name: str | None = None,
    ) -> Decorator:
        """Pass the function a durable client.

        Args:
            client_name: the parameter that takes the client.
            task_hub: another hub than the app's own; may hold ``%SETTING%``.
            connection_name: the app setting that names that hub's storage account.
        """
        client = ClientInput(
            parameter=client_name, task_hub=task_hub, connection_name=connection_name
        )
        return lambda function: self._collect(function).add_client(client)

    def _durable(self, mark: DurableMark) -> Decorator:
        return lambda function: self._collect(function).become(mark)

    def _collect(self, function: UserFunction | FunctionBuilder) -> DurableFunctionBuilder:
        builder = self._validate_type(function)
        self._function_builders.append(builder)
        return builder

    def _validate_type(self, func: UserFunction | FunctionBuilder) -> DurableFunctionBuilder:
        """The builder of `func`, taken out of the list: every decorator puts it back.

        azure.functions takes whichever builder is last; ours takes the one that is meant.
        """
        if isinstance(func, FunctionBuilder):
            for index, builder in enumerate(self._function_builders):
                if builder is func and isinstance(builder, DurableFunctionBuilder):
                    del self._function_builders[index]
                    return builder
            raise UsageError(
                "The decorators of one function must all be of one app or blueprint; this "
                "function was begun with another one's."
            )
        if not callable(func):
            raise UsageError(f"A decorator was given {func!r}, which is no function.")
        return DurableFunctionBuilder(func, self.app_script_file)


@dataclass(frozen=True, kw_only=True, slots=True)
class DurableParts:
    """What of an app is ours.

    Attributes:
        runs_work: it has orchestrators, activities or entities.
        clients: what its other functions ask for as clients.
        folders: where its host.json may be.
    """

    runs_work: bool
    clients: tuple[ClientInput, ...]
    folders: tuple[Path, ...]


class DFApp(Blueprint, FunctionRegister):
    """A Functions app with durable functions; write ``app = df.DFApp()`` in function_app.py."""

    def __init__(self, http_auth_level: AuthLevel | str = AuthLevel.FUNCTION) -> None:
        super().__init__(http_auth_level=http_auth_level)
        self._registry = Registry()
        self._owner = Owner(self._registry, HubOpening(os.environ, SystemClock(), _open_account))
        self._indexed = False
        self._parts: DurableParts | None = None

    @property
    def registry(self) -> Registry:
        """The app's orchestrators, activities and entities; complete once it is indexed."""
        return self._registry

    def get_functions(self) -> list[Function]:
        """What the host is to run: the user's functions, and those that drive the engine.

        The worker calls it, once a process.

        Raises:
            UsageError: called again, or a durable function breaks a rule.
            BadConfig: host.json or an app setting breaks a rule.
        """
        if self._indexed:
            raise UsageError("get_functions() of an app can be called only once: the worker does.")
        self._indexed = True
        parts = self.durable_parts()
        if parts.runs_work or parts.clients:
            config = read_config(os.environ, parts.folders)
            for remark in config.remarks:
                log.warning("%s", remark)
            self._owner.configure(config, parts.clients)
            # An app of clients only must not take messages it has no functions for.
            triggers.generate(self, self._owner, config, runs_work=parts.runs_work)
        return super().get_functions()

    def durable_parts(self) -> DurableParts:
        """Take the durable functions out into the registry; what is left is for a host.

        It is done once: what is registered later does not count.

        Raises:
            UsageError: a durable function breaks a rule.
        """
        if self._parts is None:
            self._parts = self._take_out()
        return self._parts

    def _take_out(self) -> DurableParts:
        durable: list[DurableFunctionBuilder] = []
        plain: list[FunctionBuilder] = []
        clients: tuple[ClientInput, ...] = ()
        for builder in self._function_builders:
            if isinstance(builder, DurableFunctionBuilder):
                builder.bind(self._owner)
                clients += builder.clients
                if builder.mark is not None:
                    durable.append(builder)
                    continue
            plain.append(builder)
        self._function_builders = plain
        for builder in durable:
            _register(self._registry, builder)
        return DurableParts(
            runs_work=bool(durable),
            clients=clients,
            folders=tuple(_folders([*durable, *plain])),
        )

    async def close(self) -> None:
        """Give back connections and end background tasks; hosts with a shutdown hook call it."""
        await self._owner.close()


def _open_account(environ: Mapping[str, str], connection_name: str) -> Account:
    return open_account(account_config(environ, connection_name))


def _folders(builders: Iterable[FunctionBuilder]) -> Iterator[Path]:
    """Where host.json may be: the working folder, which is the app's; else beside its code."""
    yield Path.cwd()
    for builder in builders:
        if isinstance(builder, DurableFunctionBuilder):
            with contextlib.suppress(TypeError, OSError):  # a class of no file: typed in, executed
                yield Path(inspect.getfile(inspect.unwrap(builder.user_function))).parent


def _register(registry: Registry, builder: DurableFunctionBuilder) -> None:
    mark = builder.mark
    if mark is None:
        return
    match mark.kind:
        case FunctionKind.ORCHESTRATOR:
            registry.add_orchestrator(
                OrchestratorDefinition(
                    name=builder.name,
                    function=builder.user_function,
                    context_name=mark.parameter,
                    input_type=mark.input_type,
                )
            )
        case FunctionKind.ACTIVITY:
            registry.add_activity(
                ActivityDefinition(
                    name=builder.name, function=builder.user_function, input_name=mark.parameter
                )
            )
        case FunctionKind.ENTITY:
            registry.add_entity(
                EntityDefinition(
                    name=builder.name, function=builder.user_function, context_name=mark.parameter
                )
            )
