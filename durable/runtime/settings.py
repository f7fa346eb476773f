"""How a process runs a hub: concurrency, patience, limits. Frozen, units in the names."""

from __future__ import annotations

from dataclasses import dataclass, field

from durable.engine.agenda import DEFAULT_MAX_ACTIONS
from durable.engine.limits import DEFAULT_MAX_BYTES, DEFAULT_MAX_EVENTS
from durable.model.versions import VersionPolicy


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineSettings:
    """One process's settings; processes of one hub may differ.

    Attributes:
        max_concurrent_activities: activities that run at once; synchronous ones in as many threads.
        max_concurrent_orchestrators: turns that run at once.
        turns_at_once: turns of orchestrations that read and write at once, of those that run.
        max_concurrent_entities: entities that run operations at once.
        entity_batch: operations that an entity runs in one turn at most.
        entity_window_seconds: for how long the order of requests to an entity is kept.
        entity_queue: requests that a locked entity keeps; more wait in the control queue.
        max_actions: how many actions one execution of an orchestrator may ask for.
        max_history_events, max_history_bytes: how large one execution's history may get.
        versions: the process's version, and which instances it runs.
        http_poll_seconds: the time between call_http's polls where the server doesn't say.
        session_limit, session_bytes, session_idle_seconds: what live sessions may take.
        large_message_bytes: control messages out of blobs that are held at once, together.
        gather_limit: messages one turn takes at most.
        patience_seconds: how long a message waits in a busy instance's mailbox.
        in_place_seconds: how long a turn waits for another process's sending (R11).
        fast_path: activities run where they were decided, messages are handed over in memory, and
            rows follow when a chain of turns rests (commit.md, the fast path).
        flush_seconds: after so long at most, a chain's row and messages follow.
        flush_seconds_a_call: so much later for each activity that it has begun.
        catch_up_seconds: for so long, results that are there already are recorded before that.
        share_seconds: how long a call waits in its chain for a place to run while nothing moves.
        gather_seconds: how long a turn waits for more of the answers that are arriving.
        max_in_place: activities that run or wait in this process without a message of their own.
        held_limit: how many messages of a queue chains may hold undeleted.
        linger_limit: how many invocations of a queue's function may be kept open by activities
            that aren't known to be quick.
        hand_over_limit: messages that are handed over in memory at once; more go to their queues.
        hand_over_seconds: for how long an invocation takes over messages that it caused.
        own_lease_seconds: the lease of messages that are handed over, renewed at half time.
        failure_limit: after so many failures of the engine on it, a message is quarantined.
        unknown_code_seconds: how long a process waits for another one with code that knows an
            orchestrator or agrees with a history, before it fails the instance.
        race_pause_seconds: the longest random pause after a lost race.
        replay_slice: events replayed before the loop gets its turn.
        sweep_age_seconds: how long a row must have stood unchanged before the sweeper looks at it.
        sweep_rows: rows a sweep reads at most.
        tombstone_seconds: how long a purged instance's tombstone stays.
        orphan_seconds: how old a payload blob must be before it may count as an orphan.
    """

    max_concurrent_activities: int = 64
    max_concurrent_orchestrators: int = 64
    turns_at_once: int = 16
    max_concurrent_entities: int = 64
    entity_batch: int = 5000
    entity_window_seconds: float = 1800.0
    entity_queue: int = 10_000
    max_actions: int = DEFAULT_MAX_ACTIONS
    max_history_events: int = DEFAULT_MAX_EVENTS
    max_history_bytes: int = DEFAULT_MAX_BYTES
    versions: VersionPolicy = field(default_factory=VersionPolicy)
    http_poll_seconds: float = 30.0
    session_limit: int = 1000
    session_bytes: int = 64 * 1024 * 1024
    session_idle_seconds: float = 300.0
    large_message_bytes: int = 128 * 1024 * 1024
    gather_limit: int = 1000
    patience_seconds: float = 5.0
    in_place_seconds: float = 2.0
    fast_path: bool = True
    flush_seconds: float = 0.5
    flush_seconds_a_call: float = 0.0005
    catch_up_seconds: float = 4.0
    share_seconds: float = 0.1
    gather_seconds: float = 0.002
    max_in_place: int = 10_000
    held_limit: int = 12
    linger_limit: int = 4
    hand_over_limit: int = 256
    hand_over_seconds: float = 5.0
    own_lease_seconds: int = 45
    failure_limit: int = 10
    unknown_code_seconds: float = 120.0
    race_pause_seconds: float = 0.15
    replay_slice: int = 500
    sweep_age_seconds: float = 60.0
    sweep_rows: int = 1000
    tombstone_seconds: float = 86_400.0
    orphan_seconds: float = 86_400.0
