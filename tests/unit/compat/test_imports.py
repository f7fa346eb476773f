"""Every import that apps for azure-functions-durable 1.7 make works under ``durable``."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pytest

import durable
from durable.errors import UsageError

#: Rows of the import map (api-surface 1.1): the path below azure.durable_functions, and its names.
IMPORTS = {
    "": (
        "Orchestrator",
        "Entity",
        "EntityId",
        "DurableEntityContext",
        "DurableOrchestrationClient",
        "DurableOrchestrationContext",
        "DurableFunctionsCompatibilityWarning",
        "ManagedIdentityTokenSource",
        "OrchestrationRuntimeStatus",
        "RetryOptions",
        "DFApp",
        "Blueprint",
    ),
    ".models": (
        "DurableEntityContext",
        "DurableOrchestrationClient",
        "DurableOrchestrationContext",
        "OrchestrationRuntimeStatus",
        "PurgeHistoryResult",
        "RetryOptions",
        "ManagedIdentityTokenSource",
        "TaskBase",
    ),
    ".models.DurableEntityContext": ("DurableEntityContext",),
    ".models.DurableOrchestrationClient": ("DurableOrchestrationClient",),
    ".models.DurableOrchestrationContext": ("DurableOrchestrationContext",),
    ".models.DurableOrchestrationStatus": ("DurableOrchestrationStatus",),
    ".models.EntityStateResponse": ("EntityStateResponse",),
    ".models.OrchestrationRuntimeStatus": ("OrchestrationRuntimeStatus",),
    ".models.PurgeHistoryResult": ("PurgeHistoryResult",),
    ".models.RetryOptions": ("RetryOptions",),
    ".models.TokenSource": ("TokenSource", "ManagedIdentityTokenSource"),
    ".models.Task": (
        "TaskState",
        "TaskBase",
        "AtomicTask",
        "TimerTask",
        "LongTimerTask",
        "CompoundTask",
        "WhenAllTask",
        "WhenAnyTask",
        "RetryAbleTask",
    ),
    ".models.utils.entity_utils": ("EntityId",),
    ".models.history": ("HistoryEvent", "HistoryEventType"),
    ".models.history.HistoryEvent": ("HistoryEvent",),
    ".models.history.HistoryEventType": ("HistoryEventType",),
    ".decorators": ("DFApp", "Blueprint"),
    ".decorators.durable_app": ("DFApp", "Blueprint"),
    ".testing": ("orchestrator_generator_wrapper",),
    ".constants": (
        "DATETIME_STRING_FORMAT",
        "HTTP_ACTION_NAME",
        "ORCHESTRATION_TRIGGER",
        "ACTIVITY_TRIGGER",
        "ENTITY_TRIGGER",
        "DURABLE_CLIENT",
        "DEFAULT_LOCAL_HOST",
        "DEFAULT_LOCAL_ORIGIN",
    ),
}
#: Names of the map that are not here, and why.
ABSENT = {
    ("", "openai_agents"): "not part of durable",
    (".models", "DurableOrchestrationBindings"): "the extension's binding; there is no extension",
    (".models", "OrchestratorState"): "the 1.x wire; there is no extension",
    (
        ".models",
        "DurableHttpRequest",
    ): "call_http makes it; nothing an app calls takes or gives one",
}


@pytest.mark.parametrize("path", IMPORTS)
def test_an_import_of_1_7_gives_what_durable_has_under_that_name(path: str) -> None:
    made: dict[str, object] = {}
    for name in IMPORTS[path]:
        exec(f"from durable{path} import {name}", made)
        assert not isinstance(made[name], ModuleType), f"{name} is the module, not what is in it"
        if hasattr(durable, name):
            assert made[name] is getattr(durable, name)


@pytest.mark.parametrize(("path", "name"), ABSENT)
def test_what_is_listed_as_absent_is(path: str, name: str) -> None:
    assert not hasattr(importlib.import_module(f"durable{path}"), name)


def test_the_order_of_imports_does_not_matter() -> None:
    """A submodule must not hide the class of its name, whichever is imported first."""
    code = (
        "import durable.models.Task, durable.models.RetryOptions\n"
        "import durable.models.history.HistoryEvent\n"
        "from durable.models.RetryOptions import RetryOptions as one\n"
        "from durable.models import RetryOptions as two\n"
        "import durable\n"
        "assert durable.RetryOptions is one is two, two\n"
        "from durable.models.history import HistoryEvent\n"
        "assert isinstance(HistoryEvent, type)\n"
    )
    root = Path(durable.__file__).parent.parent
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=60)


def test_constants_are_1_7s() -> None:
    from durable import constants

    assert constants.DATETIME_STRING_FORMAT == "%Y-%m-%dT%H:%M:%S.%fZ"
    assert constants.HTTP_ACTION_NAME == "BuiltIn::HttpActivity"
    assert constants.DEFAULT_LOCAL_ORIGIN == "http://localhost:7071"


def test_the_first_programming_model_says_what_to_write_instead() -> None:
    def my_orchestrator(context: object) -> None: ...

    for use in (
        durable.Orchestrator,
        durable.Orchestrator.create,
        durable.Entity,
        durable.Entity.create,
    ):
        with pytest.raises(UsageError) as caught:
            use(my_orchestrator)
        told = str(caught.value)
        assert "function.json" in told
        assert "decorate my_orchestrator with @app." in told
        assert "_trigger(" in told
    with pytest.raises(UsageError, match="your function"):
        durable.Orchestrator.create(5)  # type: ignore[arg-type]


def test_1_7s_warning_can_be_filtered() -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=durable.DurableFunctionsCompatibilityWarning)
        warnings.warn("x", durable.DurableFunctionsCompatibilityWarning, stacklevel=1)
