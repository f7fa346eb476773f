"""function_app.py to its functions, exactly as the Functions worker indexes it.

Imported once; the one app object's `get_functions()` called once; every function checked by the
worker's rules (functions.py: add_indexed_function) and the host's (names, routes).
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import sys
import traceback
import typing
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import azure.functions as func
from azure.functions.decorators.function_app import Function, FunctionRegister

SCRIPT = "function_app.py"
_MODULE = "function_app"
# H/WebJobs.Script/Utility.cs: FunctionNameValidationRegex.
_NAME = re.compile(r"[a-z][a-z0-9_\-]{0,127}", re.IGNORECASE)
_RESERVED_ROUTES = ("admin", "runtime")

Binding = Mapping[str, Any]


class IndexingError(Exception):
    """The worker would find no function at all; the text says why and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexedFunction:
    """One function as the worker knows it.

    Attributes:
        name: as registered.
        call: the user's function, or the wrapper it was indexed with.
        trigger: the binding that starts it.
        bindings: all of them, the trigger too, as in function.json.
        is_async: runs on the loop; else in a thread.
        wants_context: it has a parameter `context` that no binding fills.
        annotation: the annotation of the trigger's parameter; None when there is none.
    """

    name: str
    call: Callable[..., Any]
    trigger: Binding
    bindings: tuple[Binding, ...]
    is_async: bool
    wants_context: bool
    annotation: object | None

    @property
    def trigger_type(self) -> str:
        """Its trigger's binding type, such as ``httpTrigger``."""
        return str(self.trigger["type"])

    @property
    def has_return(self) -> bool:
        """Whether its return value goes somewhere."""
        return any(binding["name"] == "$return" for binding in self.bindings)

    @property
    def other_bindings(self) -> tuple[str, ...]:
        """Types of the bindings that are neither its trigger nor an HTTP answer."""
        return tuple(
            str(binding["type"])
            for binding in self.bindings
            if binding is not self.trigger and binding["type"] != "http"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexedApp:
    """The functions, and how to tell the app that its host ends."""

    functions: tuple[IndexedFunction, ...]
    close: Callable[[], Awaitable[None]]


def index_app(root: Path) -> IndexedApp:
    """Import ``function_app.py`` in `root` and index it.

    Raises:
        IndexingError: there is no such file, its import fails, it holds no app or several, or a
            function breaks a rule. As with the worker, one bad function costs all of them.
    """
    app = _find_app(_import(root))
    try:
        functions = app.get_functions()
    except Exception as error:
        raise IndexingError(f"{SCRIPT} cannot be indexed: {error}") from error
    indexed = tuple(index_function(function) for function in functions)
    _check_routes(indexed)
    return IndexedApp(functions=indexed, close=getattr(app, "close", _nothing))


async def _nothing() -> None:
    """A plain FunctionApp has nothing to close."""


def _import(root: Path) -> ModuleType:
    path = root / SCRIPT
    if not path.is_file():
        raise IndexingError(f"There is no {SCRIPT} in {root}. Run from the app's folder.")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise IndexingError(f"{path} is no Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[_MODULE]
        raise IndexingError(_import_failure(error)) from error
    return module


def _import_failure(error: Exception) -> str:
    """The user's own frames only: ours and importlib's explain nothing.

    A file that is no Python (SyntaxError) never ran: it has no frame, and its error says where.
    """
    frames = traceback.extract_tb(error.__traceback__)
    first = next((i for i, f in enumerate(frames) if Path(f.filename).name == SCRIPT), len(frames))
    lines = traceback.format_list(frames[first:])
    lines += traceback.format_exception_only(error)
    return f"{SCRIPT} cannot be imported:\n{''.join(lines).rstrip()}"


def _find_app(module: ModuleType) -> FunctionRegister:
    found = {
        name: value for name, value in vars(module).items() if isinstance(value, FunctionRegister)
    }
    if not found:
        raise IndexingError(
            f"{SCRIPT} holds no app. It needs one at module level: app = df.DFApp() "
            "(import durable as df)."
        )
    if len(found) > 1:
        # One object under two names counts twice: the worker looks at names.
        raise IndexingError(
            f"{SCRIPT} holds more than one app ({', '.join(found)}); the worker takes exactly one "
            "module-level name. Put the others' functions in a df.Blueprint()."
        )
    return next(iter(found.values()))


def index_function(function: Function) -> IndexedFunction:
    """One function, by the worker's rules.

    Raises:
        IndexingError: it breaks one.
    """
    call = function.get_user_function()
    name = function.get_function_name() or call.__name__
    if not _NAME.fullmatch(name) or name.lower() == "host":
        raise IndexingError(
            f"Function name {name!r} is not valid: a letter, then letters, digits, '_' and '-', "
            "128 at most, and not 'host'."
        )
    bindings: tuple[Binding, ...] = tuple(json.loads(raw) for raw in function.get_raw_bindings())
    triggers = [b for b in bindings if str(b["type"]).lower().endswith("trigger")]
    if len(triggers) != 1:
        raise IndexingError(f"Function {name!r} has {len(triggers)} triggers; it needs one.")
    parameters = set(inspect.signature(call).parameters)
    bound = {str(b["name"]) for b in bindings} - {"$return"}
    wants_context = "context" in parameters - bound
    try:
        annotations = typing.get_type_hints(call)
    except Exception as error:
        raise IndexingError(f"Function {name!r}: an annotation cannot be read: {error}") from error
    _check_parameters(name, parameters - ({"context"} if wants_context else set()), bound)
    annotation = annotations.get(str(triggers[0]["name"]))
    _check_annotation(name, str(triggers[0]["type"]), annotation)
    return IndexedFunction(
        name=name,
        call=call,
        trigger=triggers[0],
        bindings=bindings,
        is_async=inspect.iscoroutinefunction(call),
        wants_context=wants_context,
        annotation=annotation,
    )


def _check_parameters(name: str, parameters: set[str], bound: set[str]) -> None:
    if parameters - bound:
        raise IndexingError(
            f"Function {name!r}: parameters without a binding: {sorted(parameters - bound)}. The "
            "worker passes bindings only; give the value another way, or add the binding."
        )
    if bound - parameters:
        raise IndexingError(
            f"Function {name!r}: bindings without a parameter: {sorted(bound - parameters)}."
        )


_TRIGGER_TYPES: Mapping[str, type] = {
    "httpTrigger": func.HttpRequest,
    "queueTrigger": func.QueueMessage,
    "timerTrigger": func.TimerRequest,
}


def _check_annotation(name: str, trigger: str, annotation: object | None) -> None:
    wanted = _TRIGGER_TYPES.get(trigger)
    if annotation is None or wanted is None or annotation in {str, bytes}:
        return
    if not (isinstance(annotation, type) and issubclass(wanted, annotation)):
        raise IndexingError(
            f"Function {name!r}: its {trigger} passes an azure.functions.{wanted.__name__}, but "
            f"the parameter is annotated {annotation!r}."
        )


def _check_routes(functions: tuple[IndexedFunction, ...]) -> None:
    taken: dict[tuple[str, str], str] = {}
    for function in functions:
        if function.trigger_type != "httpTrigger":
            continue
        route = route_of(function)
        if route.lower().startswith(_RESERVED_ROUTES):
            raise IndexingError(
                f"Function {function.name!r}: route {route!r} is refused by the host: it keeps "
                "everything that begins with 'admin' or 'runtime'."
            )
        for method in methods_of(function) or ("*",):
            other = taken.setdefault((route.lower(), method), function.name)
            if other != function.name:
                raise IndexingError(
                    f"Functions {other!r} and {function.name!r} have the same route {route!r} "
                    f"and method {method}."
                )


def route_of(function: IndexedFunction) -> str:
    """An HTTP function's route, without slashes at its ends and without the prefix."""
    return str(function.trigger.get("route") or function.name).strip("/")


def methods_of(function: IndexedFunction) -> tuple[str, ...]:
    """The methods an HTTP function answers; empty for all."""
    return tuple(str(m).upper() for m in function.trigger.get("methods") or ())
