//! The protocols this binary speaks: one line each.

use forebay_amqp091::Amqp091;
use forebay_kit::Protocol;

use crate::config::ListenerKind;

static AMQP: Amqp091 = Amqp091::new();

/// Every protocol, and at which listeners it is spoken.
pub static PROTOCOLS: &[(ListenerKind, &dyn Protocol)] =
    &[(ListenerKind::Kafka, &forebay_kafka::Kafka), (ListenerKind::Amqp, &AMQP)];
