//! The properties of a message: kept as they came, so that they go on untouched, and read where somebody asks for one.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::cursor::Cursor;
use super::error::{DecodeError, Fault};
use super::table::{Table, TableView};
use super::text::{ShortStr, write_text};

/// Bytes of the flags that say which properties there are.
const FLAGS_BYTES: usize = 2;

/// A message's properties as they stand in its content header. Everything in them can be read: that was checked when they were
/// made.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Properties(Bytes);

/// A type of property.
pub trait Property: Sized {
    /// What a reader gets.
    type View<'p>;
    /// Looks at one, and goes on behind it.
    ///
    /// # Errors
    /// [`Fault`].
    fn check(cursor: &mut Cursor<'_>) -> Result<(), Fault>;
    /// Takes one.
    ///
    /// # Errors
    /// [`Fault`].
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault>;
    /// Bytes of one that was checked, and stands at the front of `rest`.
    fn bytes(rest: &[u8]) -> usize;
    /// The one that these are the bytes of.
    fn view(bytes: &[u8]) -> Self::View<'_>;
    /// Appends it.
    fn put(&self, out: &mut BytesMut);
}

/// An array out of bytes that were checked.
fn front<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *bytes.first_chunk().expect("checked when the properties were made")
}

impl Property for ShortStr {
    type View<'p> = &'p [u8];

    fn check(cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        let [length] = cursor.array()?;
        cursor.slice(length.into()).map(|_| ())
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        cursor.short_str()
    }

    fn bytes(rest: &[u8]) -> usize {
        let [length] = front(rest);
        1 + usize::from(length)
    }

    fn view(bytes: &[u8]) -> &[u8] {
        &bytes[1..]
    }

    fn put(&self, out: &mut BytesMut) {
        // A short string has at most 255 bytes.
        out.put_u8(self.as_bytes().len() as u8);
        out.put_slice(self.as_bytes());
    }
}

impl Property for Table {
    type View<'p> = TableView<'p>;

    fn check(cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        let length = u32::from_be_bytes(cursor.array()?);
        TableView::parse(cursor.slice(length as usize)?)?;
        Ok(())
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        cursor.table()
    }

    fn bytes(rest: &[u8]) -> usize {
        TABLE_LENGTH_BYTES + u32::from_be_bytes(front(rest)) as usize
    }

    fn view(bytes: &[u8]) -> TableView<'_> {
        TableView::of_checked(&bytes[TABLE_LENGTH_BYTES..])
    }

    fn put(&self, out: &mut BytesMut) {
        // One above 4 GiB gets a length that lies, but fits into no frame.
        out.put_u32(u32::try_from(self.as_bytes().len()).unwrap_or(u32::MAX));
        out.put_slice(self.as_bytes());
    }
}

/// Bytes of the length before a table.
const TABLE_LENGTH_BYTES: usize = 4;

impl Property for u8 {
    type View<'p> = u8;

    fn check(cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        Self::read(cursor).map(|_| ())
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        cursor.array().map(Self::from_be_bytes)
    }

    fn bytes(_: &[u8]) -> usize {
        size_of::<Self>()
    }

    fn view(bytes: &[u8]) -> Self {
        Self::from_be_bytes(front(bytes))
    }

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(*self);
    }
}

impl Property for u64 {
    type View<'p> = u64;

    fn check(cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        Self::read(cursor).map(|_| ())
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        cursor.array().map(Self::from_be_bytes)
    }

    fn bytes(_: &[u8]) -> usize {
        size_of::<Self>()
    }

    fn view(bytes: &[u8]) -> Self {
        Self::from_be_bytes(front(bytes))
    }

    fn put(&self, out: &mut BytesMut) {
        out.put_u64(*self);
    }
}

macro_rules! properties {
    ($(
        $(#[$meta:meta])*
        $bit:literal $name:ident: $ty:ty, $wire_name:literal;
    )*) => {
        /// Properties to be written, and what is read of all of them at once. To change one of a message: read, set, encode.
        #[derive(Clone, Default, PartialEq, Eq)]
        pub struct PropertyList {
            $(
                $(#[$meta])*
                pub $name: Option<$ty>,
            )*
        }

        /// The flags that exist.
        const KNOWN_FLAGS: u16 = $((1 << $bit))|*;

        /// The names of all, in their order on the wire.
        pub const PROPERTY_NAMES: &[&str] = &[$($wire_name),*];

        impl Properties {
            $(
                $(#[$meta])*
                ///
                /// `None` where the message has none.
                #[must_use]
                pub fn $name(&self) -> Option<<$ty as Property>::View<'_>> {
                    self.find(1 << $bit).map(<$ty as Property>::view)
                }
            )*

            /// Takes what stands behind the body's size in a content header.
            ///
            /// # Errors
            /// [`DecodeError::Property`].
            pub fn parse(raw: Bytes) -> Result<Self, DecodeError> {
                // RabbitMQ takes texts here that are not UTF-8, and so does everybody behind it.
                let mut cursor = Cursor::new(&raw, false);
                let flags = read_flags(&mut cursor)?;
                $(
                    if flags & (1 << $bit) != 0 {
                        let checked = <$ty as Property>::check(&mut cursor);
                        checked.map_err(|fault| DecodeError::Property { name: $wire_name, fault })?;
                    }
                )*
                cursor.finish().map_err(|fault| DecodeError::Property { name: "", fault })?;
                Ok(Self(raw))
            }

            /// All of them.
            #[must_use]
            pub fn to_list(&self) -> PropertyList {
                let mut cursor = Cursor::new(&self.0, false);
                let mut list = PropertyList::default();
                let flags = self.flags();
                cursor.skip(FLAGS_BYTES);
                $(
                    if flags & (1 << $bit) != 0 {
                        let read = <$ty as Property>::read(&mut cursor);
                        list.$name = Some(read.expect("checked when the properties were made"));
                    }
                )*
                list
            }

            /// The bytes of the property with this flag.
            fn find(&self, wanted: u16) -> Option<&[u8]> {
                let flags = self.flags();
                if flags & wanted == 0 {
                    return None;
                }
                let mut rest = &self.0[FLAGS_BYTES..];
                $(
                    if flags & (1 << $bit) != 0 {
                        let (property, behind) = rest.split_at(<$ty as Property>::bytes(rest));
                        if wanted == 1 << $bit {
                            return Some(property);
                        }
                        rest = behind;
                    }
                )*
                let _ = rest;
                None
            }
        }

        impl PropertyList {
            /// As they stand in a content header.
            #[must_use]
            pub fn encode(&self) -> Properties {
                let mut out = BytesMut::new();
                let mut flags = 0_u16;
                out.put_u16(flags);
                $(
                    if let Some(property) = &self.$name {
                        flags |= 1 << $bit;
                        property.put(&mut out);
                    }
                )*
                out[..FLAGS_BYTES].copy_from_slice(&flags.to_be_bytes());
                Properties(out.freeze())
            }
        }

        impl fmt::Debug for Properties {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut out = f.debug_struct("Properties");
                $(
                    if let Some(property) = self.$name() {
                        out.field(stringify!($name), &Shown(property));
                    }
                )*
                out.finish()
            }
        }
    };
}

properties! {
    /// What the body is: a MIME type.
    15 content_type: ShortStr, "content-type";
    /// How the body is coded, such as `gzip`.
    14 content_encoding: ShortStr, "content-encoding";
    /// Whatever publishers and consumers agree on, and what RabbitMQ adds to it.
    13 headers: Table, "headers";
    /// 2 for what shall outlive the server, else 1.
    12 delivery_mode: u8, "delivery-mode";
    /// Higher goes first, where the queue knows priorities.
    11 priority: u8, "priority";
    /// The question that this answers.
    10 correlation_id: ShortStr, "correlation-id";
    /// Where an answer shall go.
    9 reply_to: ShortStr, "reply-to";
    /// Milliseconds that the message is worth something, in decimal digits.
    8 expiration: ShortStr, "expiration";
    /// The publisher's name for the message.
    7 message_id: ShortStr, "message-id";
    /// Seconds since 1970.
    6 timestamp: u64, "timestamp";
    /// What kind of message it is.
    5 kind: ShortStr, "type";
    /// The user that published it; checked where it is there.
    4 user_id: ShortStr, "user-id";
    /// The program that published it.
    3 app_id: ShortStr, "app-id";
    /// Reserved.
    2 cluster_id: ShortStr, "cluster-id";
}

fn read_flags(cursor: &mut Cursor<'_>) -> Result<u16, DecodeError> {
    let flags = cursor.array().map(u16::from_be_bytes);
    let flags = flags.map_err(|fault| DecodeError::Property { name: "", fault })?;
    match flags & !KNOWN_FLAGS {
        0 => Ok(flags),
        unknown => Err(DecodeError::Property { name: "", fault: Fault::UnknownFlags(unknown) }),
    }
}

impl Properties {
    /// None at all.
    pub const NONE: Self = Self(Bytes::from_static(&[0; FLAGS_BYTES]));

    /// The bytes, as they came.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The headers, sharing these bytes.
    #[must_use]
    pub fn header_table(&self) -> Option<Table> {
        self.headers().map(|headers| Table::of_checked(self.0.slice_ref(headers.as_bytes())))
    }

    /// A copy that keeps no frame alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    fn flags(&self) -> u16 {
        u16::from_be_bytes(front(&self.0))
    }
}

impl Default for Properties {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Debug for PropertyList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.encode().fmt(f)
    }
}

/// A property as it is printed.
struct Shown<T>(T);

impl fmt::Debug for Shown<&[u8]> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(f, self.0)
    }
}

impl fmt::Debug for Shown<TableView<'_>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Shown<u8> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Shown<u64> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::error::{TableFault, TableFlaw};
    use crate::wire::table::{TableBuilder, Value};
    use crate::wire::{EncodeError, ReplyCode};

    fn short(text: &'static str) -> Option<ShortStr> {
        Some(ShortStr::from_static(text))
    }

    fn all() -> PropertyList {
        PropertyList {
            content_type: short("text/plain"),
            content_encoding: short("gzip"),
            headers: Some(TableBuilder::new().put("n", Value::I32(7)).finish().unwrap()),
            delivery_mode: Some(2),
            priority: Some(9),
            correlation_id: short("c"),
            reply_to: short("amq.rabbitmq.reply-to"),
            expiration: short("60000"),
            message_id: short("m"),
            timestamp: Some(1_700_000_000),
            kind: short("order"),
            user_id: short("guest"),
            app_id: short("a"),
            cluster_id: short(""),
        }
    }

    #[test]
    fn each_is_found_among_all() {
        let properties = all().encode();
        assert_eq!(properties.content_type(), Some(&b"text/plain"[..]));
        assert_eq!(properties.content_encoding(), Some(&b"gzip"[..]));
        assert_eq!(properties.headers().unwrap().get("n"), Some(Value::I32(7)));
        assert_eq!(properties.header_table(), all().headers);
        assert_eq!(properties.delivery_mode(), Some(2));
        assert_eq!(properties.priority(), Some(9));
        assert_eq!(properties.correlation_id(), Some(&b"c"[..]));
        assert_eq!(properties.reply_to(), Some(&b"amq.rabbitmq.reply-to"[..]));
        assert_eq!(properties.expiration(), Some(&b"60000"[..]));
        assert_eq!(properties.message_id(), Some(&b"m"[..]));
        assert_eq!(properties.timestamp(), Some(1_700_000_000));
        assert_eq!(properties.kind(), Some(&b"order"[..]));
        assert_eq!(properties.user_id(), Some(&b"guest"[..]));
        assert_eq!(properties.app_id(), Some(&b"a"[..]));
        assert_eq!(properties.cluster_id(), Some(&b""[..]));
        assert_eq!(properties.to_list(), all());
        assert_eq!(Properties::parse(properties.as_bytes().clone()), Ok(properties));
    }

    #[test]
    fn a_single_one_is_found_and_no_other() {
        let raw = Bytes::from_static(b"\x10\x00\x02");
        let properties = Properties::parse(raw).unwrap();
        assert_eq!(properties.delivery_mode(), Some(2));
        assert_eq!(properties.to_list(), PropertyList { delivery_mode: Some(2), ..Default::default() });
        assert_eq!(format!("{properties:?}"), "Properties { delivery_mode: 2 }");
        assert_eq!(Properties::NONE.to_list().encode(), Properties::default());
        assert_eq!(Properties::NONE.delivery_mode(), None);
    }

    #[test]
    fn reading_costs_no_memory() {
        let raw = all().encode().as_bytes().clone();
        let used = allocation_counter::measure(|| {
            let properties = Properties::parse(raw.clone()).unwrap();
            assert_eq!(properties.delivery_mode(), Some(2));
            assert!(properties.headers().is_some() && properties.header_table().is_some());
            assert_eq!(properties.cluster_id(), Some(&b""[..]));
        });
        assert_eq!(used.count_total, 0);
    }

    fn refused(raw: &[u8]) -> DecodeError {
        let why = Properties::parse(Bytes::copy_from_slice(raw)).expect_err("it is broken");
        assert_eq!(why.reply_code(), ReplyCode::SyntaxError);
        why
    }

    #[test]
    fn broken_ones_are_refused_with_their_names() {
        let property = |name, fault| DecodeError::Property { name, fault };
        assert_eq!(refused(b"\x10"), property("", Fault::Ended { needed: 2, left: 1 }));
        assert_eq!(refused(b"\x10\x00"), property("delivery-mode", Fault::Ended { needed: 1, left: 0 }));
        assert_eq!(refused(b"\x10\x00\x02\x00"), property("", Fault::Trailing(1)));
        assert_eq!(refused(b"\x10\x01\x02"), property("", Fault::UnknownFlags(1)));
        assert_eq!(refused(b"\x10\x02\x02"), property("", Fault::UnknownFlags(2)));
        assert_eq!(
            refused(b"\x80\x00\x05abc"),
            property("content-type", Fault::Ended { needed: 5, left: 3 })
        );
        let flaw = TableFault { flaw: TableFlaw::UnknownType(b'?'), at: 0 };
        assert_eq!(refused(b"\x20\x00\x00\x00\x00\x03\x01a?"), property("headers", Fault::Table(flaw)));
    }

    #[test]
    fn properties_cut_anywhere_are_refused() {
        let whole = all().encode();
        for length in 0..whole.as_bytes().len() {
            refused(&whole.as_bytes()[..length]);
        }
    }

    #[test]
    fn texts_that_are_not_utf8_go_on_as_they_are() {
        let properties = Properties::parse(Bytes::from_static(b"\x00\x80\x02\xff\xfe")).unwrap();
        assert_eq!(properties.message_id(), Some(&b"\xff\xfe"[..]));
        let list = properties.to_list();
        assert_eq!(list.encode(), properties);
        assert!(matches!(ShortStr::new(vec![0; 300]), Err(EncodeError::ShortStringTooLong { length: 300 })));
    }
}
