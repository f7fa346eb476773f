"""``MODULE:APP`` to the app it names."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType

from durable.errors import BadConfig
from durable.functions.app import Blueprint, DFApp


def load_app(target: str, root: Path) -> DFApp:
    """The app that `target` names, of a module in `root` or anywhere Python finds it.

    Raises:
        BadConfig: it names none; or the import fails, and where.
    """
    module_name, _, name = target.partition(":")
    if not module_name or not name:
        raise BadConfig(f"{target!r} names no app; it must be MODULE:APP, like function_app:app.")
    module = _import(module_name, root)
    found = getattr(module, name, None)
    if isinstance(found, DFApp):
        return found
    others = [each for each, value in vars(module).items() if isinstance(value, DFApp)]
    hint = f" It has {', '.join(others)}." if others else " Make one: app = df.DFApp()"
    if found is None:
        raise BadConfig(f"Module {module_name} has no {name!r}.{hint}")
    if isinstance(found, Blueprint):
        hint = f" It is a blueprint: register it with an app.{hint}"
    raise BadConfig(f"{target} is a {type(found).__name__}, not a df.DFApp.{hint}")


def _import(name: str, root: Path) -> ModuleType:
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise BadConfig(
                f"There is no module {error.name!r} in {root} nor on Python's path. Run from the "
                "app's folder, or name it with --root."
            ) from error
        raise BadConfig(_import_failure(name, error)) from error
    except Exception as error:
        raise BadConfig(_import_failure(name, error)) from error


def _import_failure(name: str, error: Exception) -> str:
    """The user's own frames: ours and importlib's explain nothing."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in {__file__, importlib.__file__}
        and not frame.filename.startswith("<frozen importlib")
    ]
    lines = [*traceback.format_list(frames), *traceback.format_exception_only(error)]
    return f"{name} cannot be imported:\n{''.join(lines).rstrip()}"
