//! What consumers put into the opaque fields of the group protocol: their subscription (JoinGroup's metadata) and their share
//! (SyncGroup's assignment). The broker passes both on unread; the command line's consumer writes and reads them, and group
//! descriptions show them.
//!
//! Both start with their version as an `i16`. A version newer than ours is read as our newest: newer ones only append.

use bytes::Bytes;

use super::cursor::Cursor;
use super::error::{DecodeError, EncodeError, Fault};
use super::field::{Version, Wire};
use super::schema::wire_struct;
use super::text::Str;
use super::writer::Writer;

wire_struct! {
    /// What a consumer wants.
    pub struct Subscription {
        /// The topics subscribed to.
        topics: Vec<Str> [..];
        /// The assignor's own data.
        user_data: Option<Bytes> [..];
        /// What the member holds now, for cooperative rebalancing.
        owned_partitions: Vec<TopicPartitions> [1.., lossy(true)];
        /// The generation in which it got them; -1 for none.
        generation_id: i32 [2.., lossy(true), default(-1)];
        /// The member's rack.
        rack_id: Option<Str> [3.., lossy(true)];
    }

    /// What a consumer gets.
    pub struct Assignment {
        /// Its partitions.
        assigned_partitions: Vec<TopicPartitions> [..];
        /// The assignor's own data.
        user_data: Option<Bytes> [..];
    }

    /// Partitions of one topic.
    pub struct TopicPartitions {
        /// The topic's name.
        topic: Str [..];
        /// The partitions' numbers.
        partitions: Vec<i32> [..];
    }
}

/// The newest version of either.
pub const VERSION_LAST: i16 = 3;

impl Subscription {
    /// Reads a subscription.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn read(bytes: &Bytes) -> Result<Self, DecodeError> {
        read(bytes)
    }

    /// Writes the subscription in this version.
    ///
    /// # Errors
    /// A name above 32,767 bytes.
    pub fn to_bytes(&self, version: i16) -> Result<Bytes, EncodeError> {
        to_bytes(self, version)
    }
}

impl Assignment {
    /// Reads a share. No bytes at all, which a member gets that the leader forgot, are an empty share.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn read(bytes: &Bytes) -> Result<Self, DecodeError> {
        if bytes.is_empty() { Ok(Self::default()) } else { read(bytes) }
    }

    /// Writes the share in this version.
    ///
    /// # Errors
    /// A name above 32,767 bytes.
    pub fn to_bytes(&self, version: i16) -> Result<Bytes, EncodeError> {
        to_bytes(self, version)
    }
}

fn read<T: Wire>(bytes: &Bytes) -> Result<T, DecodeError> {
    let mut cursor = Cursor::new(bytes);
    let number = cursor.array().map(i16::from_be_bytes)?;
    if number < 0 {
        return Err(Fault::UnknownVersion(number).into());
    }
    let value = T::decode(&mut cursor, Version::classic(number.min(VERSION_LAST)))?;
    // Only a newer version may have more to say than we can read.
    if number <= VERSION_LAST {
        cursor.finish()?;
    }
    Ok(value)
}

fn to_bytes<T: Wire>(value: &T, version: i16) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new();
    let version = version.clamp(0, VERSION_LAST);
    writer.put(&version.to_be_bytes());
    value.encode(&mut writer, Version::classic(version))?;
    Ok(writer.finish().into_bytes())
}
