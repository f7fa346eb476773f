from __future__ import annotations

import sys
import types

import pytest

from durable.engine.failures import (
    MAX_CAUSES,
    MAX_TRACEBACK,
    activity_failed,
    child_failed,
    details_of,
    known_exception,
    message_of,
    type_name,
)
from durable.errors import ActivityFailed, BadConfig, ChildFailed, DurableError, TaskFailed
from durable.model import events
from durable.model.failure import FailureDetails
from tests.unit.engine.conftest import T0


class Refused(Exception):
    """A user's exception, with an __init__ that must not run."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code

    class Inner(Exception):
        pass


class Unfriendly(Exception):
    def __init_subclass__(cls) -> None:
        raise TypeError("no subclasses, please")


class Nameless(Exception):
    @property
    def name(self) -> str:
        raise AssertionError("not ours to read")

    def __setattr__(self, name: str, value: object) -> None:
        raise AssertionError("not ours to write")

    def __str__(self) -> str:
        raise AssertionError("not ours to show")


def activity(error_type: str, message: str = "no") -> ActivityFailed:
    failure = FailureDetails(error_type=error_type, message=message)
    return activity_failed(
        "Hello", events.TaskFailed(timestamp=T0, task_id=3, reason=message, failure=failure)
    )


def told(reason: str | None, details: str | None = None) -> ActivityFailed:
    return activity_failed(
        "f", events.TaskFailed(timestamp=T0, task_id=0, reason=reason, details=details)
    )


# To data


def test_details_have_type_message_and_the_users_traceback() -> None:
    try:
        raise Refused(5, "because")
    except Refused as error:
        details = details_of(error)
    assert details.error_type == f"{Refused.__module__}.Refused"
    assert details.message == "5: because"
    assert details.stack_trace is not None
    assert 'raise Refused(5, "because")' in details.stack_trace
    assert details.inner is None


def test_builtins_are_named_without_their_module() -> None:
    assert details_of(ValueError("x")).error_type == "ValueError"
    assert type_name(Refused.Inner()) == f"{Refused.__module__}.Refused.Inner"


def test_an_exception_never_raised_has_no_traceback() -> None:
    assert details_of(ValueError("x")).stack_trace is None


def test_causes_and_contexts_are_kept_unless_suppressed() -> None:
    try:
        try:
            try:
                raise KeyError("deepest")
            except KeyError:
                raise OSError("middle")  # noqa: B904 - the context is what is tested
        except OSError as error:
            raise ValueError("top") from error
    except ValueError as error:
        details = details_of(error)
    assert details.inner is not None
    assert details.inner.message == "middle"
    assert details.inner.inner is not None
    assert details.inner.inner.error_type == "KeyError"

    try:
        try:
            raise KeyError("hidden")
        except KeyError:
            raise ValueError("alone") from None
    except ValueError as error:
        details = details_of(error)
    assert details.inner is None


def test_a_chain_of_causes_is_cut() -> None:
    error: BaseException = ValueError("0")
    for depth in range(1, 20):
        outer = ValueError(str(depth))
        outer.__cause__ = error
        error = outer
    details: FailureDetails | None = details_of(error)
    messages = []
    while details is not None:
        messages.append(details.message)
        details = details.inner
    assert messages == [str(n) for n in range(19, 19 - MAX_CAUSES, -1)]


def test_a_chain_of_causes_that_bites_its_tail_is_cut() -> None:
    one, two = ValueError("1"), ValueError("2")
    one.__cause__, two.__cause__ = two, one
    assert str(details_of(one)).startswith("ValueError")


def test_a_long_traceback_keeps_its_end() -> None:
    def dive(depth: int) -> None:
        if depth == 0:
            raise ValueError("bottom")
        dive(depth - 1) if depth % 2 else dive_again(depth - 1)

    def dive_again(depth: int) -> None:  # so that Python does not fold repeated lines
        dive(depth)

    trace = None
    try:
        dive(200)
    except ValueError as error:
        trace = details_of(error).stack_trace
    assert trace is not None
    assert len(trace) <= MAX_TRACEBACK + 4
    assert trace.startswith("...\n")
    assert 'raise ValueError("bottom")' in trace


def test_text_that_cannot_be_stored_is_mended() -> None:
    assert details_of(ValueError("a\ud800b")).message == "a?b"


def test_an_exception_without_text_is_told_by_its_type() -> None:
    assert message_of(ValueError()) == "ValueError"
    assert message_of(Nameless()) == f"{Nameless.__module__}.Nameless"


def test_what_failed_elsewhere_is_the_cause_of_what_it_raised_here() -> None:
    inner = FailureDetails(
        error_type="ValueError", message="no", properties={"a": "1"}, is_non_retriable=True
    )
    failed = activity_failed("Hello", events.TaskFailed(timestamp=T0, task_id=0, failure=inner))
    details = details_of(failed)
    assert details.error_type == "durable.errors.ActivityFailed"
    assert details.inner == inner


def test_failures_retold_at_every_level_do_not_grow_for_ever() -> None:
    failure = FailureDetails(error_type="E", message="0")
    for level in range(20):
        event = events.SubOrchestrationFailed(timestamp=T0, task_id=0, failure=failure)
        failure = details_of(child_failed(f"level{level}", event))
    depth = 0
    link: FailureDetails | None = failure
    while link is not None:
        depth, link = depth + 1, link.inner
    assert depth == MAX_CAUSES
    assert failure.error_type == "durable.errors.ChildFailed"


# From data


def test_an_activitys_failure_reads_well_and_carries_its_data() -> None:
    error = activity("my.Problem", "went wrong")
    assert str(error) == "Activity function 'Hello' failed: my.Problem: went wrong"
    assert (error.name, error.task_id) == ("Hello", 3)
    assert error.failure.error_type == "my.Problem"
    assert error.failure.inner is None
    assert error.failure.stack_trace is None
    assert error.failure.message == "went wrong"
    assert type(error) is ActivityFailed


@pytest.mark.parametrize(
    "original",
    [
        ValueError,
        KeyError,
        OSError,
        FileNotFoundError,
        UnicodeDecodeError,
        ImportError,
        SyntaxError,
    ],
)
def test_it_can_be_caught_by_the_builtin_class_it_was(original: type[Exception]) -> None:
    error = activity(original.__name__, "no")
    assert isinstance(error, original)
    assert isinstance(error, ActivityFailed)
    assert str(error) == f"Activity function 'Hello' failed: {original.__name__}: no"
    assert (error.name, error.task_id, error.failure.message) == ("Hello", 3, "no")
    assert type(error) is type(activity(original.__name__, "another"))
    assert details_of(error).error_type == "durable.errors.ActivityFailed"


def test_it_can_be_caught_by_a_users_class_whose_init_does_not_run() -> None:
    error = activity(f"{Refused.__module__}.Refused", "5: because")
    assert isinstance(error, Refused)
    assert not hasattr(error, "code")
    inner = activity(f"{Refused.__module__}.Refused.Inner")
    assert isinstance(inner, Refused.Inner)


def test_it_can_be_caught_by_durables_own_classes() -> None:
    error = activity("durable.errors.BadConfig", "the setting")
    assert isinstance(error, BadConfig)
    assert str(error) == "Activity function 'Hello' failed: the setting"
    both = child_failed(
        "kid",
        events.SubOrchestrationFailed(
            timestamp=T0,
            task_id=1,
            failure=FailureDetails(error_type="durable.errors.ActivityFailed", message="Activity!"),
        ),
    )
    assert isinstance(both, ActivityFailed)
    assert isinstance(both, ChildFailed)
    assert str(both) == "Orchestrator function 'kid' failed: Activity!"
    assert type_name(both) == "durable.errors.ChildFailed"


@pytest.mark.parametrize(
    "error_type",
    [
        "Exception",
        "durable.errors.TaskFailed",
        "durable.errors.DurableError",
        "SystemExit",
        "KeyboardInterrupt",
        "StopIteration",
        "StopAsyncIteration",
        "print",
        "no.such.module.Error",
        "json.loads",
        "json.decoder.Missing",
        "collections.abc.Nope.Deeper",
        "",
        "...",
        f"{Unfriendly.__module__}.Unfriendly",
    ],
)
def test_otherwise_it_is_a_plain_failure(error_type: str) -> None:
    error = activity(error_type)
    assert type(error) is ActivityFailed


def test_a_class_with_accessors_of_its_own_does_not_get_in_the_way() -> None:
    error = activity(f"{Nameless.__module__}.Nameless")
    assert isinstance(error, Nameless)
    assert (error.name, error.task_id) == ("Hello", 3)
    assert str(error).endswith("Nameless: no")


def test_a_class_that_cannot_be_combined_gives_a_plain_failure() -> None:
    class Meta(type):
        pass

    module = types.ModuleType("odd_module")
    # A class whose __new__ gives something else, and one Python cannot mix with ours.
    odd = type("Odd", (Exception,), {"__slots__": ("x",)})
    assert isinstance(odd, type)
    module.__dict__["Odd"] = odd
    sys.modules["odd_module"] = module
    try:
        assert isinstance(activity("odd_module.Odd"), ActivityFailed)
        assert known_exception("odd_module.Odd.inner") is None
    finally:
        del sys.modules["odd_module"]


def test_modules_are_neither_imported_nor_asked() -> None:
    class Lazy(types.ModuleType):
        def __getattribute__(self, name: str) -> object:
            raise AssertionError(f"was asked for {name}")

    class NoDict:
        __slots__ = ()

    sys.modules["lazy_one"] = Lazy("lazy_one")
    sys.modules["no_dict"] = NoDict()  # type: ignore[assignment]  # libraries do such things
    sys.modules["nothing_there"] = None  # type: ignore[assignment]  # "import forbidden"
    try:
        assert known_exception("lazy_one.Error") is None
        assert known_exception("no_dict.Error") is None
        assert known_exception("nothing_there.Error") is None
    finally:
        for name in ("lazy_one", "no_dict", "nothing_there"):
            del sys.modules[name]
    assert "this_module_is_not_there" not in sys.modules
    assert known_exception("this_module_is_not_there.Error") is None


# What .NET recorded


@pytest.mark.parametrize(
    ("reason", "shown", "kind"),
    [
        (
            "Activity function 'fail' failed:  ValueError: boom uncaught",
            "Activity function 'f' failed: ValueError: boom uncaught",
            ValueError,
        ),
        (
            "Activity function 'boom' failed: boom: x",
            "Activity function 'f' failed: boom: x",
            ActivityFailed,
        ),
        ("plain text", "Activity function 'f' failed: plain text", ActivityFailed),
        (
            "MyError: two\nlines",
            "Activity function 'f' failed: MyError: two\nlines",
            ActivityFailed,
        ),
        (None, "Activity function 'f' failed: no reason was recorded", ActivityFailed),
        ("Activity function 'x' failed: ", "Activity function 'f' failed: Activity", None),
    ],
)
def test_failures_recorded_by_dotnet_read_well_too(
    reason: str | None, shown: str, kind: type[Exception] | None
) -> None:
    error = told(reason, "details")
    assert str(error).startswith(shown)
    assert isinstance(error, kind or ActivityFailed)
    assert error.failure.stack_trace == "details"


def test_a_failure_that_says_only_its_type_says_it_once() -> None:
    assert str(activity("my.Problem", "my.Problem")).endswith("failed: my.Problem")


def test_the_tree_of_errors() -> None:
    assert issubclass(ActivityFailed, TaskFailed)
    assert issubclass(TaskFailed, DurableError)
