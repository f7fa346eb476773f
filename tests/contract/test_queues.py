"""What `QueueStore` promises, of each adapter."""

from __future__ import annotations

from datetime import timedelta

import pytest

from durable.errors import InvalidName, NotFound, PreconditionFailed, TooLarge
from durable.storage.ports import Account
from tests.contract.conftest import PassTime

ABSENT = "no-such-queue"


async def test_create_is_idempotent_and_keeps_the_messages(account: Account, queue: str) -> None:
    await account.queues.put(queue, "kept")
    await account.queues.create_queue(queue)
    assert await account.queues.count(queue) == 1


async def test_delete_takes_the_messages_along_and_is_idempotent(
    account: Account, queue: str
) -> None:
    await account.queues.put(queue, "gone")
    await account.queues.delete_queue(queue)
    await account.queues.delete_queue(queue)
    with pytest.raises(NotFound):
        await account.queues.count(queue)
    # The real service answers 409 QueueBeingDeleted for half a minute here; Azurite does not.
    await account.queues.create_queue(queue)
    assert await account.queues.count(queue) == 0


async def test_list_gives_the_queues_with_the_prefix_sorted(account: Account, unique: str) -> None:
    for name in ("b", "a-1", "a"):
        await account.queues.create_queue(f"{unique}-{name}")
    assert await account.queues.list_queues(f"{unique}-a") == [f"{unique}-a", f"{unique}-a-1"]
    assert await account.queues.list_queues(f"{unique}-z") == []
    assert set(await account.queues.list_queues("")) >= {f"{unique}-a", f"{unique}-b"}
    for name in ("b", "a-1", "a"):
        await account.queues.delete_queue(f"{unique}-{name}")


@pytest.mark.parametrize("name", ["ab", "Upper", "-a-b", "a--b", "ends-", "a_b", "a" * 64, ""])
async def test_a_queue_name_that_breaks_the_rules_is_refused(account: Account, name: str) -> None:
    with pytest.raises(InvalidName):
        await account.queues.create_queue(name)


async def test_an_absent_queue_is_not_found(account: Account) -> None:
    with pytest.raises(NotFound):
        await account.queues.put(ABSENT, "x")
    with pytest.raises(NotFound):
        await account.queues.get(ABSENT, count=1, lease_seconds=30)
    with pytest.raises(NotFound):
        await account.queues.peek(ABSENT)
    with pytest.raises(NotFound):
        await account.queues.count(ABSENT)
    with pytest.raises(NotFound):
        await account.queues.update(ABSENT, "id", "receipt", visible_in_seconds=0)
    with pytest.raises(NotFound):
        await account.queues.delete(ABSENT, "id", "receipt")


async def test_an_error_says_operation_resource_and_status(account: Account) -> None:
    with pytest.raises(NotFound) as caught:
        await account.queues.put(ABSENT, "secret payload")
    assert caught.value.operation == "Put Message"
    assert caught.value.resource == ABSENT
    assert caught.value.status == 404
    assert ABSENT in str(caught.value)
    assert "secret payload" not in str(caught.value)


async def test_a_received_message_is_hidden_and_counted(account: Account, queue: str) -> None:
    receipt = await account.queues.put(queue, "hello")
    (message,) = await account.queues.get(queue, count=32, lease_seconds=30)
    assert (message.id, message.text, message.dequeue_count) == (receipt.id, "hello", 1)
    assert message.pop_receipt
    assert message.next_visible - message.inserted >= timedelta(seconds=29)
    assert await account.queues.get(queue, count=32, lease_seconds=30) == []
    assert await account.queues.count(queue) == 1


async def test_get_gives_no_more_than_asked_for(account: Account, queue: str) -> None:
    for number in range(5):
        await account.queues.put(queue, str(number))
    first = await account.queues.get(queue, count=2, lease_seconds=30)
    rest = await account.queues.get(queue, count=32, lease_seconds=30)
    assert len(first) == 2
    assert sorted(message.text for message in first + rest) == ["0", "1", "2", "3", "4"]


async def test_get_of_an_empty_queue_is_empty(account: Account, queue: str) -> None:
    assert await account.queues.get(queue, count=32, lease_seconds=1) == []
    assert await account.queues.peek(queue) == []
    assert await account.queues.count(queue) == 0


@pytest.mark.slow
async def test_a_lease_ends_and_the_next_reception_makes_the_first_receipt_stale(
    account: Account, queue: str, pass_time: PassTime
) -> None:
    await account.queues.put(queue, "again")
    (first,) = await account.queues.get(queue, count=1, lease_seconds=1)
    await pass_time(1)
    (second,) = await account.queues.get(queue, count=1, lease_seconds=30)
    assert (second.id, second.text, second.dequeue_count) == (first.id, "again", 2)
    assert second.pop_receipt != first.pop_receipt
    # The real service may say NotFound (MessageNotFound) instead.
    with pytest.raises(PreconditionFailed):
        await account.queues.delete(queue, first.id, first.pop_receipt)
    with pytest.raises(PreconditionFailed):
        await account.queues.update(queue, first.id, first.pop_receipt, visible_in_seconds=9)
    await account.queues.delete(queue, second.id, second.pop_receipt)


@pytest.mark.slow
async def test_a_receipt_outlives_its_lease_until_somebody_else_receives(
    account: Account, queue: str, pass_time: PassTime
) -> None:
    await account.queues.put(queue, "late")
    (message,) = await account.queues.get(queue, count=1, lease_seconds=1)
    await pass_time(1)
    await account.queues.delete(queue, message.id, message.pop_receipt)
    assert await account.queues.count(queue) == 0


@pytest.mark.slow
async def test_a_delayed_message_comes_after_its_delay(
    account: Account, queue: str, pass_time: PassTime
) -> None:
    await account.queues.put(queue, "later", delay_seconds=1)
    assert await account.queues.get(queue, count=1, lease_seconds=30) == []
    assert await account.queues.peek(queue) == []
    assert await account.queues.count(queue) == 1
    await pass_time(1)
    (message,) = await account.queues.get(queue, count=1, lease_seconds=30)
    assert (message.text, message.dequeue_count) == ("later", 1)


async def test_the_longest_delay_and_lease_are_seven_days(account: Account, queue: str) -> None:
    week = 604_800
    await account.queues.put(queue, "a week", delay_seconds=week)
    await account.queues.put(queue, "now")
    (message,) = await account.queues.get(queue, count=32, lease_seconds=week)
    assert message.text == "now"
    receipt = await account.queues.update(
        queue, message.id, message.pop_receipt, visible_in_seconds=week
    )
    with pytest.raises(ValueError, match="604800"):
        await account.queues.put(queue, "x", delay_seconds=week + 1)
    with pytest.raises(ValueError, match="604800"):
        await account.queues.put(queue, "x", delay_seconds=-1)
    with pytest.raises(ValueError, match="604800"):
        await account.queues.update(queue, message.id, receipt, visible_in_seconds=week + 1)
    # A reception needs a lease of a second at least: the service refuses 0 there.
    with pytest.raises(ValueError, match="1 to 604800"):
        await account.queues.get(queue, count=1, lease_seconds=0)


@pytest.mark.parametrize("count", [0, 33])
async def test_get_and_peek_take_1_to_32(account: Account, queue: str, count: int) -> None:
    with pytest.raises(ValueError, match="1 to 32"):
        await account.queues.get(queue, count=count, lease_seconds=1)
    with pytest.raises(ValueError, match="1 to 32"):
        await account.queues.peek(queue, count=count)


async def test_get_takes_32_at_once(account: Account, queue: str) -> None:
    for number in range(33):
        await account.queues.put(queue, str(number))
    assert len(await account.queues.peek(queue)) == 32
    assert len(await account.queues.get(queue, count=32, lease_seconds=30)) == 32
    assert len(await account.queues.get(queue, count=32, lease_seconds=30)) == 1
    assert await account.queues.count(queue) == 33


async def test_peek_leaves_the_message_as_it_is(account: Account, queue: str) -> None:
    receipt = await account.queues.put(queue, "look")
    for _ in range(2):
        (peeked,) = await account.queues.peek(queue)
        assert (peeked.id, peeked.text, peeked.pop_receipt) == (receipt.id, "look", "")
        assert peeked.dequeue_count == 0
    (message,) = await account.queues.get(queue, count=1, lease_seconds=30)
    assert message.dequeue_count == 1


async def test_update_keeps_the_text_and_changes_the_receipt(account: Account, queue: str) -> None:
    await account.queues.put(queue, "same")
    (message,) = await account.queues.get(queue, count=1, lease_seconds=30)
    receipt = await account.queues.update(
        queue, message.id, message.pop_receipt, visible_in_seconds=0
    )
    assert receipt != message.pop_receipt
    with pytest.raises(PreconditionFailed):
        await account.queues.delete(queue, message.id, message.pop_receipt)
    (again,) = await account.queues.get(queue, count=1, lease_seconds=30)
    assert (again.text, again.dequeue_count) == ("same", 2)


async def test_update_may_change_the_text(account: Account, queue: str) -> None:
    await account.queues.put(queue, "before")
    (message,) = await account.queues.get(queue, count=1, lease_seconds=30)
    receipt = await account.queues.update(
        queue, message.id, message.pop_receipt, visible_in_seconds=0, text="<after> & 'so'"
    )
    (again,) = await account.queues.get(queue, count=1, lease_seconds=30)
    assert again.text == "<after> & 'so'"
    with pytest.raises(PreconditionFailed):
        await account.queues.delete(queue, message.id, receipt)


@pytest.mark.slow
async def test_update_hides_anew_from_now(
    account: Account, queue: str, pass_time: PassTime
) -> None:
    await account.queues.put(queue, "renewed")
    (message,) = await account.queues.get(queue, count=1, lease_seconds=1)
    await account.queues.update(queue, message.id, message.pop_receipt, visible_in_seconds=30)
    await pass_time(1)
    assert await account.queues.get(queue, count=1, lease_seconds=30) == []


async def test_the_putter_may_update_and_delete_with_the_receipt_of_the_put(
    account: Account, queue: str
) -> None:
    put = await account.queues.put(queue, "mine", delay_seconds=600)
    receipt = await account.queues.update(
        queue, put.id, put.pop_receipt, visible_in_seconds=900, text="still mine"
    )
    await account.queues.delete(queue, put.id, receipt)
    assert await account.queues.count(queue) == 0


async def test_a_deleted_message_is_not_found(account: Account, queue: str) -> None:
    put = await account.queues.put(queue, "gone")
    await account.queues.delete(queue, put.id, put.pop_receipt)
    with pytest.raises(NotFound):
        await account.queues.delete(queue, put.id, put.pop_receipt)
    with pytest.raises(NotFound):
        await account.queues.update(queue, put.id, put.pop_receipt, visible_in_seconds=1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "  both ends  ",
        "\n\t",
        'line\nbreak\tand "quotes"',
        "<a href='x'>&amp;&lt;]]></a>",
        "<![CDATA[x]]>",
        '{"$type":"x","Input":"\\"Zürich\\" 東京 🐍"}',
        "\x7f\x85\u2028\ufffd",
        "\ufeffbyte order mark",
        "aGVsbG8=",
        "100% + %20 &amp; +",
    ],
)
async def test_a_text_comes_back_as_it_was(account: Account, queue: str, text: str) -> None:
    await account.queues.put(queue, text)
    (peeked,) = await account.queues.peek(queue)
    (message,) = await account.queues.get(queue, count=1, lease_seconds=30)
    assert (peeked.text, message.text) == (text, text)


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1b", "\r", "\ud800", "\ufffe", "\uffff"])
async def test_a_character_that_xml_cannot_carry_is_refused(
    account: Account, queue: str, character: str
) -> None:
    text = f"before{character}after"
    with pytest.raises(ValueError, match=f"U\\+{ord(character):04X} at 6"):
        await account.queues.put(queue, text)
    put = await account.queues.put(queue, "x")
    with pytest.raises(ValueError, match=f"U\\+{ord(character):04X} at 6"):
        await account.queues.update(queue, put.id, put.pop_receipt, visible_in_seconds=1, text=text)
    assert await account.queues.count(queue) == 1


@pytest.mark.parametrize("text", ["x" * 65_536, "é" * 32_768, "<" * 65_536])
async def test_64_kib_of_utf_8_fit_and_a_byte_more_does_not(
    account: Account, queue: str, text: str
) -> None:
    put = await account.queues.put(queue, text)
    (message,) = await account.queues.get(queue, count=1, lease_seconds=30)
    assert message.text == text
    with pytest.raises(TooLarge):
        await account.queues.put(queue, text + "x")
    with pytest.raises(TooLarge):
        await account.queues.update(
            queue, put.id, message.pop_receipt, visible_in_seconds=1, text=text + "x"
        )
    assert await account.queues.count(queue) == 1
