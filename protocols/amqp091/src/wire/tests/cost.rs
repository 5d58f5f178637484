//! What the hot paths may cost.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use crate::wire::method::{BasicAck, BasicPublish};
use crate::wire::table::TableBuilder;
use crate::wire::{
    Assembly, ChannelId, Command, Delivery, DeliveryPrefix, DeliveryTag, Frame, FrameMax, FrameWriter,
    OutgoingContent, Progress, Properties, PropertyList, ShortStr, Value,
};

const CHANNEL: ChannelId = ChannelId(1);

fn some_properties() -> Properties {
    let headers = TableBuilder::new().put("trace", Value::text("abc")).put("n", Value::I64(7)).finish();
    let list = PropertyList {
        content_type: Some(ShortStr::from_static("application/json")),
        headers: Some(headers.expect("it is small")),
        delivery_mode: Some(2),
        message_id: Some(ShortStr::from_static("0d4f7a34-9dd7-4b6a-b7cd-2a8c9a4a7d0e")),
        ..Default::default()
    };
    list.encode()
}

fn publish(properties: &Properties, body: usize) -> Bytes {
    let method = BasicPublish {
        exchange: ShortStr::from_static("orders"),
        routing_key: ShortStr::from_static("eu.new"),
        ..Default::default()
    };
    let body = vec![7; body];
    let mut out = BytesMut::new();
    let content = OutgoingContent { properties: properties.as_bytes(), body: &body };
    FrameWriter::new(&mut out, FrameMax::DEFAULT).message(CHANNEL, &method, content).expect("it fits");
    out.freeze()
}

/// The one command in a stream.
fn read(mut stream: Bytes) -> Command {
    let mut assembly = Assembly::default();
    while let Some(frame) = Frame::take(&mut stream, FrameMax::DEFAULT).expect("it is our own") {
        if let Progress::Done(command) = assembly.take(&frame).expect("it is our own") {
            return command;
        }
    }
    panic!("it is whole")
}

fn deliver(out: &mut BytesMut, prefix: &DeliveryPrefix, properties: &Properties, body: &[u8]) {
    let (exchange, routing_key) = (ShortStr::from_static("orders"), ShortStr::from_static("eu.new"));
    let delivery = Delivery {
        delivery_tag: DeliveryTag(9),
        redelivered: false,
        exchange: &exchange,
        routing_key: &routing_key,
    };
    let content = OutgoingContent { properties: properties.as_bytes(), body };
    FrameWriter::new(out, FrameMax::DEFAULT).delivery(prefix, delivery, content).expect("it fits");
}

#[test]
fn a_publish_in_one_piece_is_read_without_an_allocation() {
    for properties in [Properties::NONE, some_properties()] {
        let stream = publish(&properties, 16 * 1024);
        let used = allocation_counter::measure(|| drop(read(stream.clone())));
        assert_eq!(used.count_total, 0);
    }
}

#[test]
fn a_delivery_is_written_without_an_allocation_where_there_is_room() {
    let properties = some_properties();
    let prefix = DeliveryPrefix::new(CHANNEL, &ShortStr::from_static("amq.ctag-1"));
    let mut out = BytesMut::with_capacity(64 * 1024);
    let used = allocation_counter::measure(|| deliver(&mut out, &prefix, &properties, &[7; 16 * 1024]));
    assert_eq!(used.count_total, 0);
}

/// The fastest of many short rounds, nanoseconds for one call; the minimum is what other load does not disturb.
fn fastest(mut f: impl FnMut()) -> f64 {
    const CALLS: u32 = 2_000;
    (0..300)
        .map(|_| {
            let start = Instant::now();
            (0..CALLS).for_each(|_| f());
            start.elapsed().as_nanos() as f64 / f64::from(CALLS)
        })
        .fold(f64::INFINITY, f64::min)
}

/// Figures for people: `cargo test --release -p forebay-amqp091 speed -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, only meaningful in release"]
fn speed_of_the_hot_paths() {
    let (none, some) = (Properties::NONE, some_properties());
    for (words, properties, body) in
        [("256 B", &none, 256), ("256 B with properties", &some, 256), ("16 KiB", &none, 16 * 1024)]
    {
        let stream = publish(properties, body);
        let nanos = fastest(|| drop(std::hint::black_box(read(std::hint::black_box(stream.clone())))));
        println!("read basic.publish, {words}: {nanos:.0} ns");
        let prefix = DeliveryPrefix::new(CHANNEL, &ShortStr::from_static("amq.ctag-1"));
        let mut out = BytesMut::with_capacity(64 * 1024);
        let body = vec![7; body];
        let nanos = fastest(|| {
            out.clear();
            deliver(std::hint::black_box(&mut out), &prefix, properties, &body);
        });
        println!("write basic.deliver, {words}: {nanos:.0} ns");
    }
    let mut ack = BytesMut::new();
    let method = BasicAck { delivery_tag: DeliveryTag(9), multiple: true };
    FrameWriter::new(&mut ack, FrameMax::DEFAULT).method(CHANNEL, &method).expect("it fits");
    let ack = ack.freeze();
    let nanos = fastest(|| drop(std::hint::black_box(read(std::hint::black_box(ack.clone())))));
    println!("read basic.ack: {nanos:.0} ns");
}
