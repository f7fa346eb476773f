"""The hot queue and table calls on azure-core's pipeline, requests and answers handled by us.

The SDK's clients spend several times the CPU of a bare request on each call. Here a request goes
through azure-core's own retry and authentication policies and nothing else; its text is built and
its answer read by hand. What is rare (create, delete, list, count; all of blobs) stays on the SDK,
which is also the oracle: tests put each call through both and compare what goes over the wire.
"""

from __future__ import annotations
