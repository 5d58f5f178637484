//! The table of methods: every one that RabbitMQ knows, both directions. A new one is a row here and nothing else.
//!
//! What `_reserved` is in the protocol's own books (access tickets, capabilities, out-of-band) is kept under its old name, so
//! that what was read is written as it was; nobody looks at it.

use bytes::Bytes;

use super::cursor::Cursor;
use super::error::DecodeError;
use super::numbers::{DeliveryTag, MethodId};
use super::reply_code::ReplyCode;
use super::schema::{Argument, MethodInfo, methods};
use super::table::Table;
use super::text::{LongStr, Secret, ShortStr};
use super::writer::Writer;

/// What can be written into a method frame: [`Method`], and each of the methods by itself.
pub trait WireMethod {
    /// Its row in the table of methods.
    fn info(&self) -> MethodInfo;
    /// Appends its arguments.
    fn write_arguments(&self, writer: &mut Writer<'_>);
}

/// Classes of AMQP 0-8 and 0-9 that 0-9-1 has no more: `file`, `stream`, `dtx`, `tunnel`, `test`.
const FOREIGN_CLASSES: [u16; 5] = [70, 80, 100, 110, 120];

/// Reads the numbers before the arguments.
#[inline]
fn begin(payload: &Bytes) -> Result<(MethodId, Cursor<'_>), DecodeError> {
    let Some(&[c0, c1, m0, m1]) = payload.first_chunk() else {
        return Err(DecodeError::FrameForm(super::FrameKind::Method));
    };
    let id = MethodId { class: u16::from_be_bytes([c0, c1]), method: u16::from_be_bytes([m0, m1]) };
    // RabbitMQ does not look at the texts of methods with content, for speed, and so such texts are in use.
    let mut cursor = Cursor::new(payload, !carries_content(id));
    cursor.skip(METHOD_ID_BYTES);
    Ok((id, cursor))
}

/// Bytes of a method's two numbers.
const METHOD_ID_BYTES: usize = 4;

#[cold]
fn unknown(id: MethodId) -> DecodeError {
    if FOREIGN_CLASSES.contains(&id.class) {
        DecodeError::ForeignClass(id)
    } else {
        DecodeError::UnknownMethod(id)
    }
}

methods! {
    /// The server's first words.
    10 10 "connection.start" ConnectionStart [server] {
        /// Major version: 0.
        version_major: u8,
        /// Minor version: 9.
        version_minor: u8,
        /// Who the server is, and under `capabilities` what it can do.
        server_properties: Table,
        /// Ways of logging in, with blanks between them.
        mechanisms: LongStr,
        /// Languages of texts, with blanks between them.
        locales: LongStr,
    }
    /// The client's first words.
    10 11 "connection.start-ok" ConnectionStartOk [client] {
        /// Who the client is, and under `capabilities` what it can do.
        client_properties: Table,
        /// The way of logging in that it chose.
        mechanism: ShortStr,
        /// The first step of it.
        response: Secret,
        /// The language that it chose.
        locale: ShortStr,
    }
    /// One more step of logging in.
    10 20 "connection.secure" ConnectionSecure [server] {
        /// What the client has to answer.
        challenge: LongStr,
    }
    /// The answer to a step.
    10 21 "connection.secure-ok" ConnectionSecureOk [client] {
        /// The answer.
        response: Secret,
    }
    /// The limits that the server proposes.
    10 30 "connection.tune" ConnectionTune [server] {
        /// Highest channel; 0 for no limit.
        channel_max: u16,
        /// Bytes of a whole frame; 0 for no limit.
        frame_max: u32,
        /// Seconds without a sign of life until a peer is given up; 0 for never.
        heartbeat: u16,
    }
    /// The limits that the client takes.
    10 31 "connection.tune-ok" ConnectionTuneOk [client] {
        /// Highest channel; 0 for no limit.
        channel_max: u16,
        /// Bytes of a whole frame; 0 for no limit.
        frame_max: u32,
        /// Seconds without a sign of life until a peer is given up; 0 for never.
        heartbeat: u16,
    }
    /// Enters a virtual host.
    10 40 "connection.open" ConnectionOpen [client] {
        /// Its name.
        virtual_host: ShortStr,
        /// Reserved.
        capabilities: ShortStr,
        /// Reserved.
        insist: bool,
    }
    /// The connection can be used.
    10 41 "connection.open-ok" ConnectionOpenOk [server] {
        /// Reserved.
        known_hosts: ShortStr,
    }
    /// Ends the connection.
    10 50 "connection.close" ConnectionClose [both] {
        /// Why.
        reply_code: ReplyCode,
        /// Why, for people.
        reply_text: ShortStr,
        /// The class of the method that was the reason, or 0.
        class_id: u16,
        /// That method, or 0.
        method_id: u16,
    }
    /// The connection has ended.
    10 51 "connection.close-ok" ConnectionCloseOk [both] {}
    /// The server takes no more publishes from this connection.
    10 60 "connection.blocked" ConnectionBlocked [server] {
        /// Why, for people.
        reason: ShortStr,
    }
    /// It takes them again.
    10 61 "connection.unblocked" ConnectionUnblocked [server] {}
    /// A new password, or token, for the connection as it goes on.
    10 70 "connection.update-secret" ConnectionUpdateSecret [client] {
        /// The password.
        new_secret: Secret,
        /// Why, for people.
        reason: ShortStr,
    }
    /// It was taken.
    10 71 "connection.update-secret-ok" ConnectionUpdateSecretOk [server] {}

    /// Opens the channel of the frame.
    20 10 "channel.open" ChannelOpen [client] {
        /// Reserved.
        out_of_band: ShortStr,
    }
    /// It can be used.
    20 11 "channel.open-ok" ChannelOpenOk [server] {
        /// Reserved.
        channel_id: LongStr,
    }
    /// Stops deliveries, or lets them go on.
    20 20 "channel.flow" ChannelFlow [both] {
        /// Whether they go on.
        active: bool,
    }
    /// What was asked by `channel.flow` is so.
    20 21 "channel.flow-ok" ChannelFlowOk [both] {
        /// Whether deliveries go on.
        active: bool,
    }
    /// Ends the channel.
    20 40 "channel.close" ChannelClose [both] {
        /// Why.
        reply_code: ReplyCode,
        /// Why, for people.
        reply_text: ShortStr,
        /// The class of the method that was the reason, or 0.
        class_id: u16,
        /// That method, or 0.
        method_id: u16,
    }
    /// The channel has ended.
    20 41 "channel.close-ok" ChannelCloseOk [both] {}

    /// Asks for an access ticket, which nobody needs since AMQP 0-9. Clients of old still ask, and RabbitMQ answers.
    30 10 "access.request" AccessRequest [client] {
        /// Of what.
        realm: ShortStr,
        /// Reserved.
        exclusive: bool,
        /// Reserved.
        passive: bool,
        /// Reserved.
        active: bool,
        /// Reserved.
        write: bool,
        /// Reserved.
        read: bool,
    }
    /// Here it is.
    30 11 "access.request-ok" AccessRequestOk [server] {
        /// The ticket: always 1.
        ticket: u16,
    }

    /// Makes an exchange, or makes sure that it is there.
    40 10 "exchange.declare" ExchangeDeclare [client] {
        /// Reserved.
        ticket: u16,
        /// Its name.
        exchange: ShortStr,
        /// Its type: `direct`, `topic` ...
        kind: ShortStr,
        /// Only asks whether it is there.
        passive: bool,
        /// It outlives the server.
        durable: bool,
        /// It goes with its last binding.
        auto_delete: bool,
        /// Only other exchanges may publish to it.
        internal: bool,
        /// No answer is wanted.
        no_wait: bool,
        /// Extensions.
        arguments: Table,
    }
    /// It is there.
    40 11 "exchange.declare-ok" ExchangeDeclareOk [server] {}
    /// Removes an exchange.
    40 20 "exchange.delete" ExchangeDelete [client] {
        /// Reserved.
        ticket: u16,
        /// Its name.
        exchange: ShortStr,
        /// Not while it has bindings.
        if_unused: bool,
        /// No answer is wanted.
        no_wait: bool,
    }
    /// It is gone.
    40 21 "exchange.delete-ok" ExchangeDeleteOk [server] {}
    /// Lets messages of one exchange go to another.
    40 30 "exchange.bind" ExchangeBind [client] {
        /// Reserved.
        ticket: u16,
        /// Where they go.
        destination: ShortStr,
        /// Where they come from.
        source: ShortStr,
        /// Which ones.
        routing_key: ShortStr,
        /// No answer is wanted.
        no_wait: bool,
        /// Which ones, by other rules than a key.
        arguments: Table,
    }
    /// The binding is there.
    40 31 "exchange.bind-ok" ExchangeBindOk [server] {}
    /// Ends that.
    40 40 "exchange.unbind" ExchangeUnbind [client] {
        /// Reserved.
        ticket: u16,
        /// Where messages went.
        destination: ShortStr,
        /// Where they came from.
        source: ShortStr,
        /// Which ones.
        routing_key: ShortStr,
        /// No answer is wanted.
        no_wait: bool,
        /// Which ones, by other rules than a key.
        arguments: Table,
    }
    /// The binding is gone. Its number is RabbitMQ's, and does not follow that of its question.
    40 51 "exchange.unbind-ok" ExchangeUnbindOk [server] {}

    /// Makes a queue, or makes sure that it is there.
    50 10 "queue.declare" QueueDeclare [client] {
        /// Reserved.
        ticket: u16,
        /// Its name; empty for one that the server chooses.
        queue: ShortStr,
        /// Only asks whether it is there.
        passive: bool,
        /// It outlives the server.
        durable: bool,
        /// It belongs to this connection and goes with it.
        exclusive: bool,
        /// It goes with its last consumer.
        auto_delete: bool,
        /// No answer is wanted.
        no_wait: bool,
        /// Extensions.
        arguments: Table,
    }
    /// It is there.
    50 11 "queue.declare-ok" QueueDeclareOk [server] {
        /// Its name.
        queue: ShortStr,
        /// Messages that are ready.
        message_count: u32,
        /// Its consumers.
        consumer_count: u32,
    }
    /// Lets messages of an exchange go to a queue.
    50 20 "queue.bind" QueueBind [client] {
        /// Reserved.
        ticket: u16,
        /// Where they go; empty for the queue declared last on this channel.
        queue: ShortStr,
        /// Where they come from.
        exchange: ShortStr,
        /// Which ones.
        routing_key: ShortStr,
        /// No answer is wanted.
        no_wait: bool,
        /// Which ones, by other rules than a key.
        arguments: Table,
    }
    /// The binding is there.
    50 21 "queue.bind-ok" QueueBindOk [server] {}
    /// Throws away what is ready in a queue.
    50 30 "queue.purge" QueuePurge [client] {
        /// Reserved.
        ticket: u16,
        /// Its name.
        queue: ShortStr,
        /// No answer is wanted.
        no_wait: bool,
    }
    /// It is gone.
    50 31 "queue.purge-ok" QueuePurgeOk [server] {
        /// Messages that were ready.
        message_count: u32,
    }
    /// Removes a queue.
    50 40 "queue.delete" QueueDelete [client] {
        /// Reserved.
        ticket: u16,
        /// Its name.
        queue: ShortStr,
        /// Not while it has consumers.
        if_unused: bool,
        /// Not while it has messages.
        if_empty: bool,
        /// No answer is wanted.
        no_wait: bool,
    }
    /// It is gone.
    50 41 "queue.delete-ok" QueueDeleteOk [server] {
        /// Messages that went with it.
        message_count: u32,
    }
    /// Ends a binding. It has always an answer.
    50 50 "queue.unbind" QueueUnbind [client] {
        /// Reserved.
        ticket: u16,
        /// Where messages went.
        queue: ShortStr,
        /// Where they came from.
        exchange: ShortStr,
        /// Which ones.
        routing_key: ShortStr,
        /// Which ones, by other rules than a key.
        arguments: Table,
    }
    /// The binding is gone.
    50 51 "queue.unbind-ok" QueueUnbindOk [server] {}

    /// How many deliveries may be unsettled.
    60 10 "basic.qos" BasicQos [client] {
        /// Bytes of them; RabbitMQ takes 0 alone.
        prefetch_size: u32,
        /// Their number; 0 for any.
        prefetch_count: u16,
        /// For the channel as a whole; else for each consumer that begins after it.
        global: bool,
    }
    /// It is so.
    60 11 "basic.qos-ok" BasicQosOk [server] {}
    /// Begins to consume.
    60 20 "basic.consume" BasicConsume [client] {
        /// Reserved.
        ticket: u16,
        /// What.
        queue: ShortStr,
        /// The consumer's name; empty for one that the server chooses.
        consumer_tag: ShortStr,
        /// Not what this connection published. RabbitMQ does not look at it.
        no_local: bool,
        /// Every delivery is settled as it is sent.
        no_ack: bool,
        /// Nobody else may consume it.
        exclusive: bool,
        /// No answer is wanted.
        no_wait: bool,
        /// Extensions.
        arguments: Table,
    }
    /// The consumer is there.
    60 21 "basic.consume-ok" BasicConsumeOk [server] {
        /// Its name.
        consumer_tag: ShortStr,
    }
    /// Ends a consumer; from a server: it has ended.
    60 30 "basic.cancel" BasicCancel [both] {
        /// Its name.
        consumer_tag: ShortStr,
        /// No answer is wanted.
        no_wait: bool,
    }
    /// It has ended.
    60 31 "basic.cancel-ok" BasicCancelOk [both] {
        /// Its name.
        consumer_tag: ShortStr,
    }
    /// Publishes a message.
    60 40 "basic.publish" BasicPublish [client, content] {
        /// Reserved.
        ticket: u16,
        /// To which exchange.
        exchange: ShortStr,
        /// By which key.
        routing_key: ShortStr,
        /// It comes back where no queue takes it.
        mandatory: bool,
        /// It comes back where no consumer takes it at once. RabbitMQ refuses this.
        immediate: bool,
    }
    /// A message that came back.
    60 50 "basic.return" BasicReturn [server, content] {
        /// Why.
        reply_code: ReplyCode,
        /// Why, for people.
        reply_text: ShortStr,
        /// The exchange that it was published to.
        exchange: ShortStr,
        /// The key that it was published by.
        routing_key: ShortStr,
    }
    /// A message for a consumer.
    60 60 "basic.deliver" BasicDeliver [server, content] {
        /// Which one.
        consumer_tag: ShortStr,
        /// Names the delivery in this channel.
        delivery_tag: DeliveryTag,
        /// It may have been delivered before.
        redelivered: bool,
        /// The exchange that it was published to.
        exchange: ShortStr,
        /// The key that it was published by.
        routing_key: ShortStr,
    }
    /// Asks for one message.
    60 70 "basic.get" BasicGet [client] {
        /// Reserved.
        ticket: u16,
        /// Of which queue.
        queue: ShortStr,
        /// It is settled as it is sent.
        no_ack: bool,
    }
    /// Here it is.
    60 71 "basic.get-ok" BasicGetOk [server, content] {
        /// Names the delivery in this channel.
        delivery_tag: DeliveryTag,
        /// It may have been delivered before.
        redelivered: bool,
        /// The exchange that it was published to.
        exchange: ShortStr,
        /// The key that it was published by.
        routing_key: ShortStr,
        /// Messages that are ready behind it.
        message_count: u32,
    }
    /// There is none.
    60 72 "basic.get-empty" BasicGetEmpty [server] {
        /// Reserved.
        cluster_id: ShortStr,
    }
    /// Deliveries are done; from a server: publishes are confirmed.
    60 80 "basic.ack" BasicAck [both] {
        /// Which one.
        delivery_tag: DeliveryTag,
        /// All up to it too; with tag 0 all there are.
        multiple: bool,
    }
    /// A delivery cannot be handled.
    60 90 "basic.reject" BasicReject [client] {
        /// Which one.
        delivery_tag: DeliveryTag,
        /// It shall be delivered again.
        requeue: bool,
    }
    /// As `basic.recover`, without an answer.
    60 100 "basic.recover-async" BasicRecoverAsync [client] {
        /// To anyone; else to the same consumers, which RabbitMQ refuses.
        requeue: bool,
    }
    /// Everything unsettled of the channel shall be delivered again.
    60 110 "basic.recover" BasicRecover [client] {
        /// To anyone; else to the same consumers, which RabbitMQ refuses.
        requeue: bool,
    }
    /// It will be.
    60 111 "basic.recover-ok" BasicRecoverOk [server] {}
    /// Deliveries cannot be handled; from a server: publishes are refused.
    60 120 "basic.nack" BasicNack [both] {
        /// Which one.
        delivery_tag: DeliveryTag,
        /// All up to it too; with tag 0 all there are.
        multiple: bool,
        /// They shall be delivered again.
        requeue: bool,
    }

    /// Publishes of this channel are confirmed from now on.
    85 10 "confirm.select" ConfirmSelect [client] {
        /// No answer is wanted.
        no_wait: bool,
    }
    /// They will be.
    85 11 "confirm.select-ok" ConfirmSelectOk [server] {}

    /// Publishes and settlements of this channel are transactions from now on.
    90 10 "tx.select" TxSelect [client] {}
    /// They will be.
    90 11 "tx.select-ok" TxSelectOk [server] {}
    /// All since the last end happens.
    90 20 "tx.commit" TxCommit [client] {}
    /// It has happened.
    90 21 "tx.commit-ok" TxCommitOk [server] {}
    /// Nothing since the last end happens.
    90 30 "tx.rollback" TxRollback [client] {}
    /// Nothing has.
    90 31 "tx.rollback-ok" TxRollbackOk [server] {}
}
