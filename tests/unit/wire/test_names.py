from __future__ import annotations

from durable.wire.names import MANAGEMENT_KEY, TASK_HUB_INFO, HubNames

NAMES = HubNames("MyHub", 12)


def test_queues() -> None:
    assert NAMES.control_queue(0) == "myhub-control-00"
    assert NAMES.control_queues[-1] == "myhub-control-11"
    assert len(NAMES.control_queues) == 12
    assert NAMES.work_items == "myhub-workitems"
    assert NAMES.poison_queue(NAMES.work_items) == "myhub-workitems-poison"


def test_the_queue_of_an_instance_follows_its_hash() -> None:
    assert HubNames("MyHub", 4).control_queue_of("hello-1") == "myhub-control-01"
    assert HubNames("MyHub", 16).control_queue_of("hello-1") == "myhub-control-09"


def test_tables_keep_the_casing() -> None:
    assert NAMES.history_table == "MyHubHistory"
    assert NAMES.instances_table == "MyHubInstances"
    assert NAMES.partitions_table == "MyHubPartitions"


def test_a_tracking_prefix_renames_history_and_instances_only() -> None:
    names = HubNames("MyHub", 4, tracking_prefix="DurableTask")
    assert names.history_table == "DurableTaskHistory"
    assert names.instances_table == "DurableTaskInstances"
    assert names.partitions_table == "MyHubPartitions"


def test_containers_and_blobs() -> None:
    assert NAMES.large_messages == "myhub-largemessages"
    assert NAMES.leases == "myhub-leases"
    assert NAMES.app_lease == "myhub-applease"
    assert NAMES.app_lease_info == "myhub-appleaseinfo"
    assert NAMES.quarantine == "myhub-quarantine"
    assert NAMES.keys == "myhub-keys"
    assert (MANAGEMENT_KEY, TASK_HUB_INFO) == ("management", "taskhub.json")
