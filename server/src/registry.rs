//! The protocols this binary speaks: one line each.

use forebay_kit::Protocol;

/// Every protocol.
pub const PROTOCOLS: &[&dyn Protocol] = &[&forebay_kafka::Kafka];
