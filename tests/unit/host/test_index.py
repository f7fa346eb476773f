"""function_app.py is indexed as the Functions worker does it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from durable.host.index import IndexedFunction, IndexingError, index_app
from tests.unit.host.conftest import MakeApp

Index = Callable[[str], tuple[IndexedFunction, ...]]

GOOD = """
    import azure.functions as func
    app = func.FunctionApp(http_auth_level="ANONYMOUS")

    @app.route(route="hello/{name}", methods=["GET"])
    def hello(req: func.HttpRequest, context: func.Context) -> str:
        return "hi"

    @app.queue_trigger(arg_name="msg", queue_name="%Q%", connection="Store", data_type="BINARY")
    async def work(msg: func.QueueMessage) -> None:
        pass

    @app.function_name("tick")
    @app.timer_trigger(arg_name="timer", schedule="0 * * * * *", run_on_startup=True)
    def on_time(timer) -> None:
        pass
"""


def test_functions_are_known_as_the_worker_knows_them(index: Index) -> None:
    hello, work, tick = index(GOOD)
    assert (hello.name, hello.trigger_type, hello.is_async) == ("hello", "httpTrigger", False)
    assert hello.wants_context
    assert hello.has_return
    assert hello.trigger["route"] == "hello/{name}"
    assert hello.trigger["authLevel"] == "ANONYMOUS"
    assert (work.name, work.trigger["queueName"], work.is_async) == ("work", "%Q%", True)
    assert work.trigger["dataType"] == "BINARY"
    assert not work.has_return
    assert work.other_bindings == ()
    assert (tick.name, tick.trigger["runOnStartup"], tick.annotation) == ("tick", True, None)


async def test_a_plain_app_has_nothing_to_close(make_app: MakeApp) -> None:
    app = index_app(make_app(GOOD))
    assert inspect.iscoroutinefunction(app.close)
    await app.close()


def test_modules_beside_function_app_can_be_imported(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "my_functions_beside.py").write_text(
        "import azure.functions as func\n"
        "bp = func.Blueprint()\n"
        "@bp.route(route='x')\n"
        "def there(req: func.HttpRequest) -> func.HttpResponse: ...\n"
    )
    folder = make_app(
        """
        import azure.functions as func
        from my_functions_beside import bp
        app = func.FunctionApp()
        app.register_functions(bp)
        """
    )
    assert [function.name for function in index_app(folder).functions] == ["there"]


def test_no_function_app(tmp_path: Path) -> None:
    with pytest.raises(IndexingError, match=r"There is no function_app\.py in"):
        index_app(tmp_path)


def test_an_import_error_shows_the_users_frames_only(index: Index) -> None:
    with pytest.raises(IndexingError) as caught:
        index("import azure.functions\n\ndef f():\n    return 1 / 0\n\nf()\n")
    text = str(caught.value)
    assert "cannot be imported" in text
    assert "ZeroDivisionError" in text
    assert "in f" in text
    assert "importlib" not in text


def test_a_file_that_is_no_python_shows_where(index: Index) -> None:
    with pytest.raises(IndexingError) as caught:
        index("x = 1\ndef broken(:\n")
    text = str(caught.value)
    assert "SyntaxError" in text
    assert "line 2" in text
    assert "importlib" not in text


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param("x = 1", "holds no app", id="no app"),
        pytest.param(
            "import azure.functions as func\na = func.FunctionApp()\nb = func.FunctionApp()\n",
            "more than one app",
            id="two apps",
        ),
        pytest.param(
            "import azure.functions as func\na = func.FunctionApp()\nb = a\n",
            r"more than one app \(a, b\)",
            id="one app under two names",
        ),
    ],
)
def test_exactly_one_app(index: Index, code: str, said: str) -> None:
    with pytest.raises(IndexingError, match=said):
        index(code)


APP = "import azure.functions as func\napp = func.FunctionApp()\n"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param(
            "@app.route(route='x')\ndef f(req: func.HttpRequest, client): ...",
            r"parameters without a binding: \['client'\]",
            id="parameter without binding",
        ),
        pytest.param(
            "@app.route(route='x', trigger_arg_name='request')\ndef f(context): ...",
            r"bindings without a parameter: \['request'\]",
            id="binding without parameter",
        ),
        pytest.param("@app.function_name('f')\ndef f(): ...", "does not have a trigger", id="none"),
        pytest.param(
            "@app.function_name('1f')\n@app.route(route='x')\ndef f(req): ...",
            "'1f' is not valid",
            id="name",
        ),
        pytest.param(
            "@app.function_name('Host')\n@app.route(route='x')\ndef f(req): ...",
            "'Host' is not valid",
            id="the name host",
        ),
        pytest.param(
            "@app.route(route='Admin-things')\ndef f(req): ...", "refused by the host", id="admin"
        ),
        pytest.param("@app.route()\ndef runtime_x(req): ...", "refused by the host", id="runtime"),
        pytest.param(
            "@app.route(route='a')\ndef f(req): ...\n@app.route(route='/A')\ndef g(req): ...",
            "have the same route",
            id="same route",
        ),
        pytest.param(
            "@app.route(route='a')\ndef f(req: 'Nowhere'): ...", "annotation", id="annotation"
        ),
        pytest.param(
            "@app.route(route='a')\ndef f(req: func.QueueMessage): ...",
            r"httpTrigger passes an azure\.functions\.HttpRequest",
            id="another trigger's type",
        ),
        pytest.param(
            "@app.route(route='a')\ndef f(req): ...\n@app.route(route='b')\ndef f(req): ...",
            "unique",
            id="duplicate name",
        ),
    ],
)
def test_the_workers_and_the_hosts_rules(index: Index, code: str, said: str) -> None:
    with pytest.raises(IndexingError, match=said):
        index(APP + code)


def test_one_route_may_serve_two_functions_by_method(index: Index) -> None:
    functions = index(
        APP
        + "@app.route(route='a', methods=['GET'])\ndef f(req): ...\n"
        + "@app.route(route='a', methods=['POST'])\ndef g(req): ...\n"
    )
    assert [function.name for function in functions] == ["f", "g"]
