"""The constants of azure-functions-durable 1.7 that apps import."""

from __future__ import annotations

DATETIME_STRING_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
#: The name of the activity that `call_http` schedules.
HTTP_ACTION_NAME = "BuiltIn::HttpActivity"
DEFAULT_LOCAL_HOST = "localhost:7071"
DEFAULT_LOCAL_ORIGIN = f"http://{DEFAULT_LOCAL_HOST}"
# Binding types of the Durable extension; nothing here makes such bindings.
ORCHESTRATION_TRIGGER = "orchestrationTrigger"
ACTIVITY_TRIGGER = "activityTrigger"
ENTITY_TRIGGER = "entityTrigger"
DURABLE_CLIENT = "durableClient"
