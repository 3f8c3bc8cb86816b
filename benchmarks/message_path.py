"""The message path: every function that runs for each message, chunk, batch or turn.

``make hygiene`` wants these compiled to native code and finds the exceptions in ``ACCEPTED``. A function that joins the
path joins the table; one that is renamed or deleted must be here as well, or the check fails.
"""

from typing import Final, NamedTuple

# A class, or a module for its plain functions, and the names in it.
MESSAGE_PATH: Final[dict[str, tuple[str, ...]]] = {
    # --- from the socket to the channel
    "broker.net.amqp_socket.AmqpSocket": ("get_buffer", "buffer_updated", "data_received", "send"),
    "broker.protocol.input.Input": ("joined", "wants", "keep"),
    "broker.protocol.connection.Connection": (
        "feed",
        "_go_through",
        "_read",
        "_channel_method",
        "touch",
        "flush",
        "has_room",
    ),
    "broker.wire.octets": ("get_u16", "get_u32", "put_u8", "put_u16", "put_u32"),
    "broker.wire.arguments.ArgumentReader": ("__init__", "_take", "octet", "short", "longlong", "end"),
    # --- publishing
    "broker.protocol.channel.Channel": (
        "begin_publish",
        "content_header",
        "content_body",
        "_learn_content",
        "_publish",
        "publish_again",
        "_take_in",
        "_published",
        "unroutable",
        "commit",
        "_with_reply_name",
        "can_deliver",
        "deliver",
        "deliver_alike",
        "deliver_reply",
        "acknowledge",
        "settle",
        "settle_taken",
        "_settled_alike",
        "_give_back",
        "_free",
        "_put_back",
        "wake_consumers",
    ),
    "broker.protocol.pattern.Pattern": ("forget", "learn_method", "learn_content", "_frame"),
    "broker.protocol.transaction.Transaction": ("hold_publish", "hold_settlement"),
    "broker.wire.properties": ("body_size", "names_priority"),
    "broker.wire.properties.PropertyScanner": ("scan",),
    "broker.wire.tables": ("check_table",),
    "broker.wire.tables._TableReader": ("check_table", "check_value", "take", "read_length"),
    "broker.core.counters.Counters": ("count_body",),
    "broker.core.message.Message": ("__init__", "is_like", "with_body"),
    "broker.core.message.Queued": ("__init__",),
    "broker.vhost.publisher.Publisher": (
        "route",
        "publish",
        "publish_alike",
        "prepare",
        "enqueue",
        "_route_by_headers",
    ),
    "broker.vhost.publisher": ("has_more_keys", "read_expiration"),
    # --- routing, for keys that the publisher's cache does not know, and for headers
    "broker.routing.walk": ("find_queues", "find_queues_for_keys"),
    "broker.vhost.replies.ReplyQueues": ("find",),
    "broker.routing.matches.Matches": ("add", "add_all"),
    "broker.routing.direct.DefaultExchange": ("collect",),
    "broker.routing.direct.DirectExchange": ("collect",),
    "broker.routing.fanout.FanoutExchange": ("collect",),
    "broker.routing.topic.TopicExchange": ("collect",),
    "broker.routing.topic_trie": ("key_words",),
    "broker.routing.topic_trie.TopicTrie": ("match", "_step", "_join"),
    "broker.routing.headers.HeadersExchange": ("collect", "_collect_header", "_collect_rules"),
    "broker.routing.headers._Rule": ("is_met",),
    # --- queues
    "broker.queues.classic": ("_shorter",),
    "broker.queues.queue.Queue": ("wake",),
    "broker.queues.classic.ClassicQueue": (
        "push",
        "pass_on",
        "push_alike",
        "_stores",
        "_is_plain",
        "_hand_over_alike",
        "put_back",
        "_counted",
        "settle",
        "settle_alike",
        "reject",
        "get",
        "deliver",
        "_deliver_in_turn",
        "_deliver_by_rank",
        "_choose",
        "_hand_over",
        "settle_unseen",
        "_take",
        "_take_ready",
        "_is_full",
        "_is_over",
        "_trim",
        "_set_expiry",
        "_drop_expired",
        "_arm_timer",
        "_drop",
        "_dead_letter",
    ),
    "broker.queues.stream.Stream": ("push", "deliver", "_serve", "_page_for", "settle", "_returned"),
    "broker.queues.stream.Reader": ("wants",),
    "broker.queues.run.Run": ("extend", "take"),
    "broker.queues.fifo.FifoReady": (
        "push",
        "push_alike",
        "next_alike",
        "take_alike",
        "first",
        "take",
        "_take_returned",
        "_account",
        "put_back",
        "_insert",
        "_merge",
        "take_expired",
        "next_expiry",
        "is_long",
    ),
    "broker.queues.priority.PriorityReady": (
        "_line_of",
        "_highest",
        "push",
        "first",
        "take",
        "put_back",
        "take_expired",
        "next_expiry",
        "is_long",
    ),
    # --- deliveries and settlements
    "broker.protocol.consumer.ChannelConsumer": ("can_take", "take", "take_alike"),
    "broker.protocol.reply_to.ReplyConsumer": ("can_take", "take", "take_alike"),
    "broker.protocol.unacked.Unacked": (
        "add",
        "add_alike",
        "settle_alike",
        "settle_run",
        "_left",
        "_open",
        "_charge",
        "_discharge",
        "_resident",
        "take",
        "_empty",
        "_close",
        "has",
        "take_page",
    ),
    "broker.protocol.unacked_page.Page": (
        "__init__",
        "extend_run",
        "_index",
        "has",
        "settle_in_run",
        "settle_run",
        "has_run_before",
        "measure",
    ),
    "broker.protocol.dispatch": ("dispatch",),
    "broker.protocol.basic_methods": ("ack", "reject", "nack", "get"),
    "broker.wire.stencil.Stencil": ("fit", "look"),
    "broker.wire.outbox.Outbox": ("size", "method", "settlement", "deliver", "content", "_split_body", "take"),
    # --- the end of a turn: commit log, confirms
    "broker.vhost.turn.Turn": ("begin", "touch", "watch", "finish", "_write", "_work_off", "synced", "flush"),
    "broker.queues.agenda.Agenda": ("next_wake_ms", "is_empty"),
    "broker.core.clock.Clock": ("now_ms",),
    "broker.store.store.Store": (
        "append_to_stream",
        "append",
        "settle",
        "delivered",
        "places_of",
        "end_run",
        "write",
        "write_news",
        "stored",
    ),
    "broker.store.places.QueuePlaces": ("stored", "share_in", "settled", "share"),
    "broker.store.contents": ("put_contents", "put_body"),
    "broker.store.records": ("put_content_head", "put_target", "put_settled", "put_delivered"),
    "broker.store.framing": ("put_u32", "put_batch"),
    "broker.store.commit_log.CommitLog": ("append",),
    "broker.store.batch_file.BatchFile": ("append",),
    "broker.vhost.confirms.ConfirmLedger": ("published", "end_turn", "_wait_for", "release", "_ack"),
}


class Accepted(NamedTuple):
    """What may fall back.

    Attributes:
        function: Its whole name.
        words: Of the findings, one for each kind.
        reason: Why they stay.
    """

    function: str
    words: tuple[str, ...]
    reason: str


DICT_GET: Final = "for CPyDict_GetWithNone"
DICT_SET: Final = "for CPyDict_SetItem"

ACCEPTED: Final = (
    Accepted(
        "broker.net.amqp_socket.AmqpSocket.data_received",
        ('"pause_reading"', '"call_soon"', '"resume_writing"', '"_read_on"'),
        "the event loop is not ours; once for 64 KiB, or when a peer does not read",
    ),
    Accepted(
        "broker.net.amqp_socket.AmqpSocket.buffer_updated",
        ("Python callable", "Generic indexing", "for PySlice_New"),
        "the buffer is the event loop's; once for a chunk of up to 256 KiB",
    ),
    Accepted(
        "broker.net.amqp_socket.AmqpSocket.send",
        ('"write"', '"writelines"', '"get_write_buffer_size"', '"pause_reading"'),
        "the event loop is not ours; once in a turn",
    ),
    Accepted("broker.core.clock.Clock.now_ms", ('"time_ns"', "Python callable"), "the time is read once in a turn"),
    Accepted("broker.protocol.connection.Connection._read", ("for PyObject_Str",), "the text of a frame error"),
    Accepted(
        "broker.protocol.connection.Connection._read",
        (DICT_GET,),
        "only where a frame is for another channel than the one before",
    ),
    Accepted(
        "broker.protocol.connection.Connection._channel_method",
        ("for CPyDict_GetItem", "for PySet_Contains"),
        "publish and a single ack do not come by here, and what may be said in which state is a table",
    ),
    Accepted("broker.protocol.channel.Channel.settle", ("for SetMem",), "a settlement within a transaction"),
    Accepted("broker.protocol.unacked.Unacked._open", (DICT_SET,), "once for a page of 256 deliveries"),
    Accepted("broker.protocol.unacked.Unacked._resident", (DICT_GET,), "once for a page, if it is acked in order"),
    Accepted("broker.protocol.unacked.Unacked._close", ("for PyObject_DelItem",), "once for a page"),
    Accepted("broker.protocol.unacked.Unacked._empty", (DICT_GET,), "only while there are pages in the spool"),
    Accepted("broker.protocol.unacked.Unacked.has", (DICT_GET,), "a nack, a reject, or one ack for many deliveries"),
    Accepted(
        "broker.queues.classic.ClassicQueue._drop",
        (DICT_SET,),
        "a dead letter that must arrive, by its position",
    ),
    Accepted("broker.queues.fifo.FifoReady.take", ("for PySlice_New",), "once for 512 messages"),
    Accepted("broker.queues.run.Run.take", ("for PySlice_New",), "once for 512 messages"),
    Accepted(
        "broker.queues.fifo.FifoReady._insert",
        ('"sorted"', "Python callable"),
        "64 messages or more at once, and each key is read once",
    ),
    Accepted(
        "broker.queues.fifo.FifoReady._merge",
        ("Generic indexed assignment", "for PySlice_New"),
        "64 messages or more at once",
    ),
    Accepted(
        "broker.routing.topic_trie.key_words",
        ('"split"',),
        "the loop is C, and mypyc has no faster way to it; only for keys that are not in the cache",
    ),
    Accepted(
        "broker.store.framing.put_batch",
        ('"isal_zlib"', '"crc32"', "Python callable", "for AssignMulti"),
        "the checksum is C; once for each part of a batch",
    ),
    Accepted(
        "broker.store.store.Store.places_of",
        (DICT_GET, DICT_SET),
        "only where a message is for another queue than the one before",
    ),
    Accepted("broker.store.store.Store.settle", (DICT_GET,), "as places_of"),
    Accepted("broker.store.store.Store.delivered", (DICT_GET,), "as places_of"),
    Accepted("broker.vhost.confirms.ConfirmLedger.published", ("for PyList_Append",), "a publish that is refused"),
    Accepted(
        "broker.vhost.confirms.ConfirmLedger._wait_for",
        ("for PyList_Append", "for CPyList_SetItem"),
        "once in a turn for each channel that publishes",
    ),
    Accepted("broker.protocol.unacked_page.Page.settle_run", ("for PySlice_New",), "once for an ack of many"),
    Accepted("broker.vhost.confirms.ConfirmLedger.release", ("for PySlice_New",), "once in a sync"),
    Accepted("broker.vhost.turn.Turn._write", ("for Assign",), "only while the disk is full"),
)
