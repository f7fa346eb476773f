"""The tests of the weaknesses fail where the protection is taken away from the real code.

A test that passes without it would say nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.reliability import (
    protections as gone,
    test_weaknesses_activities as activities,
    test_weaknesses_entities as entities,
    test_weaknesses_history as histories,
    test_weaknesses_messages as messages,
    test_weaknesses_partitions as shared,
    test_weaknesses_purge as purge,
    test_weaknesses_python as python,
    test_weaknesses_rewind as rewind,
    test_weaknesses_starts as starts,
)
from tests.reliability.stories import fails

Patch = pytest.MonkeyPatch
Story = Callable[..., None]

REMOVED: list[tuple[Callable[[Patch], None], Story, dict[str, Any]]] = [
    (
        gone.batches_that_are_no_stretches,
        histories.test_w01_a_crash_between_the_batches_of_a_turn_leaves_a_whole_checkpoint,
        {},
    ),
    (gone.messages_first, messages.test_w02_a_turn_that_is_not_committed_sends_nothing, {}),
    (
        gone.random_children,
        messages.test_w02_a_turn_that_is_repeated_does_not_begin_its_child_anew,
        {},
    ),
    (
        gone.no_identities,
        messages.test_w03_an_event_that_is_put_twice_and_delivered_twice_is_one,
        {"generations": 0},
    ),
    (
        gone.identities_of_one_generation,
        messages.test_w03_an_event_that_is_put_twice_and_delivered_twice_is_one,
        {"generations": 2},
    ),
    (
        gone.rows_are_not_repaired,
        histories.test_w04_a_row_behind_its_finished_history_is_corrected_without_another_message,
        {},
    ),
    (
        gone.rows_without_etags,
        histories.test_w04_a_stalled_process_cannot_write_an_older_row_over_a_newer_one,
        {},
    ),
    (
        gone.terminated_instances_begin,
        starts.test_w05_what_is_terminated_before_it_begins_never_runs,
        {"seconds": 600},
    ),
    (gone.messages_for_nobody_wait, starts.test_w06_terminations_for_nobody_block_no_partition, {}),
    (
        gone.lost_starts_stay_lost,
        starts.test_w07_a_client_that_dies_between_row_and_message_loses_no_start,
        {},
    ),
    (
        gone.pending_rows_begin_nothing,
        starts.test_w07_an_event_begins_a_start_whose_message_is_lost,
        {},
    ),
    (
        gone.leases_never_end,
        shared.test_w08_a_worker_that_storage_does_not_answer_stops_reading_in_time,
        {},
    ),
    (
        gone.histories_without_etags,
        shared.test_w08_two_that_read_one_queue_all_the_same_decide_everything_once,
        {},
    ),
    (
        gone.bad_messages_are_not_kept,
        messages.test_w09_what_cannot_be_read_is_put_aside_at_once_with_its_reason,
        {},
    ),
    (
        gone.patience_without_end,
        messages.test_w09_an_answer_that_nobody_waits_for_does_not_come_back_for_ever,
        {},
    ),
    (gone.ids_anywhere, entities.test_w10_what_we_write_has_its_id_where_dotnet_looks_for_it, {}),
    *[
        (
            without,
            purge.test_w11_a_purge_takes_the_blobs_of_its_instance_all_of_them_and_no_other_s,
            {"instance_id": "a^"},
        )
        for without in (gone.prefixes_without_a_slash, gone.raw_prefixes_alone)
    ],
    (gone.orphans_stay, purge.test_w11_blobs_of_messages_and_lost_turns_do_not_pile_up, {}),
    (gone.all_rows_count, histories.test_w12_rows_that_an_older_generation_left_never_count, {}),
    (
        gone.neither_sessions_nor_chains,
        histories.test_w13_a_step_of_a_long_sequence_costs_what_the_first_one_costs,
        {},
    ),
    (gone.an_answer_a_turn, histories.test_w13_a_fan_out_s_answers_share_turns, {}),
    (
        gone.bad_messages_are_raised,
        messages.test_w14_a_bad_message_in_a_batch_holds_up_none_of_the_others,
        {},
    ),
    (
        gone.everybody_waits_for_the_bad,
        messages.test_w15_an_instance_that_always_fails_slows_nobody_else_down,
        {},
    ),
    (gone.cancelled_timers_hold_on, python.test_w16_a_timer_that_is_cancelled_holds_up_no_end, {}),
    (
        gone.rewinds_stay_half_done,
        rewind.test_w17_a_rewind_that_a_crash_cut_short_is_finished_by_others,
        {"before": False},
    ),
    (
        gone.cleaning_without_a_second_look,
        entities.test_w18_a_signal_that_meets_the_cleaning_is_not_lost,
        {},
    ),
    (gone.purges_take_what_runs, entities.test_w18_a_purge_refuses_what_runs, {}),
    (
        gone.releases_do_not_wait,
        entities.test_w19_a_late_call_of_the_terminated_is_not_done_in_the_next_one_s_section,
        {},
    ),
    (
        gone.locks_are_kept,
        entities.test_w19_whoever_dies_with_a_lock_leaves_it_open,
        {"end": "terminated"},
    ),
    (
        gone.queues_are_forgotten,
        shared.test_w20_another_number_of_queues_loses_nothing_and_doubles_nothing,
        {"before": 4, "after": 2},
    ),
    (
        gone.lost_races_are_not_noticed,
        histories.test_w21_a_turn_whose_session_is_gone_is_not_taken_for_done,
        {},
    ),
    (
        gone.nothing_is_compared,
        python.test_w22_code_that_asks_for_something_else_is_found_out,
        {"after": python.calls("echo", 1)},
    ),
    (
        gone.the_newest_event_first,
        python.test_w23_events_that_come_early_are_each_delivered_once_and_in_order,
        {},
    ),
    (
        gone.nobody_has_children,
        purge.test_w24_children_end_and_go_with_their_parent_where_that_is_asked_for,
        {},
    ),
    *[
        (
            gone.messages_are_for_anyone,
            messages.test_w25_a_termination_that_comes_late_leaves_the_next_run_alone,
            {"waits": waits},
        )
        for waits in (False, True)
    ],
    (
        gone.neither_lines_nor_identities,
        messages.test_w25_a_termination_that_is_put_twice_ends_one_run,
        {},
    ),
    (
        gone.messages_are_for_one_generation,
        messages.test_w25_a_termination_reaches_its_run_whatever_generation_that_is_in,
        {"generations": 3},
    ),
    *[
        (
            gone.renewals_end_with_a_failure,
            activities.test_w26_a_renewal_that_fails_is_made_again_and_the_activity_runs_once,
            {"fast_path": fast_path},
        )
        for fast_path in (False, True)
    ],
]


@pytest.mark.parametrize(
    ("remove", "story", "options"),
    REMOVED,
    ids=[
        f"{story.__name__[5:8]}-{n}-{remove.__name__}"
        for n, (remove, story, _) in enumerate(REMOVED)
    ],
)
def test_without_its_protection_a_weakness_is_back(
    remove: Callable[[Patch], None],
    story: Story,
    options: dict[str, Any],
    monkeypatch: Patch,
) -> None:
    remove(monkeypatch)
    assert fails(lambda: story(**options))
