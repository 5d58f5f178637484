//! The language that the table of methods is written in.
//!
//! ```text
//! methods! {
//!     /// What it is for.
//!     60 40 "basic.publish" BasicPublish [client, content] {
//!         /// What it means.
//!         routing_key: ShortStr,
//!     }
//! }
//! ```
//! The numbers of class and method, the name in the protocol, the name here, who may send it, whether a content header and a
//! body follow it, and its arguments in their order. Bits that stand next to each other share an octet.

use super::cursor::Cursor;
use super::error::Fault;
use super::numbers::{DeliveryTag, MethodId};
use super::reply_code::ReplyCode;
use super::table::Table;
use super::text::{LongStr, Secret, ShortStr};
use super::writer::Writer;

/// Who may send a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Clients.
    Client,
    /// The server.
    Server,
    /// Both.
    Both,
}

impl Sender {
    /// Whether a client may send it.
    #[must_use]
    pub const fn is_client(self) -> bool {
        !matches!(self, Self::Server)
    }
}

/// A row of the table of methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MethodInfo {
    /// Its numbers.
    pub id: MethodId,
    /// Its name in the protocol, such as `basic.publish`.
    pub name: &'static str,
    /// Who may send it.
    pub sender: Sender,
    /// Whether a content header and a body follow it.
    pub carries_content: bool,
}

/// A type of argument.
pub(super) trait Argument: Sized {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault>;
    fn write(&self, writer: &mut Writer<'_>);
    /// Some value, for tests of every method.
    #[cfg(test)]
    fn sample(source: &mut super::tests::sample::Source) -> Self;
}

macro_rules! numbers {
    ($($ty:ty),*) => {$(
        impl Argument for $ty {
            #[inline]
            fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
                cursor.array().map(Self::from_be_bytes)
            }

            #[inline]
            fn write(&self, writer: &mut Writer<'_>) {
                writer.put(&self.to_be_bytes());
            }

            #[cfg(test)]
            fn sample(source: &mut super::tests::sample::Source) -> Self {
                source.number() as Self
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64);

impl Argument for bool {
    #[inline]
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        cursor.bit()
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>) {
        writer.bit(*self);
    }

    #[cfg(test)]
    fn sample(source: &mut super::tests::sample::Source) -> Self {
        source.number() % 2 == 1
    }
}

impl Argument for ShortStr {
    #[inline]
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        cursor.short_str()
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>) {
        writer.short_str(self);
    }

    #[cfg(test)]
    fn sample(source: &mut super::tests::sample::Source) -> Self {
        source.short_str()
    }
}

impl Argument for LongStr {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        cursor.long_str()
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.long_str(&self.0);
    }

    #[cfg(test)]
    fn sample(source: &mut super::tests::sample::Source) -> Self {
        Self(source.bytes())
    }
}

impl Argument for Secret {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        cursor.long_str().map(|LongStr(bytes)| Self(bytes))
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.long_str(&self.0);
    }

    #[cfg(test)]
    fn sample(source: &mut super::tests::sample::Source) -> Self {
        Self(source.bytes())
    }
}

impl Argument for Table {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        cursor.table()
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.long_str(self.as_bytes());
    }

    #[cfg(test)]
    fn sample(source: &mut super::tests::sample::Source) -> Self {
        source.table()
    }
}

impl Argument for DeliveryTag {
    #[inline]
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        u64::read(cursor).map(Self)
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>) {
        self.0.write(writer);
    }

    #[cfg(test)]
    fn sample(source: &mut super::tests::sample::Source) -> Self {
        Self(source.number())
    }
}

impl Argument for ReplyCode {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        u16::read(cursor).map(Self::from_number)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        self.number().write(writer);
    }

    #[cfg(test)]
    fn sample(source: &mut super::tests::sample::Source) -> Self {
        Self::from_number(source.number() as u16)
    }
}

/// Whether `content` is among the options.
macro_rules! carries_content {
    () => {
        false
    };
    (content) => {
        true
    };
}

/// Declares a struct for each method, and [`crate::wire::Method`] over all of them; see the module's documentation.
macro_rules! methods {
    ($(
        $(#[$meta:meta])*
        $class:literal $method:literal $wire_name:literal $name:ident [$sender:ident $(, $content:ident)?] {
            $(
                $(#[$field_meta:meta])*
                $field:ident: $ty:ty,
            )*
        }
    )*) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Default, PartialEq, Eq)]
            pub struct $name {
                $(
                    $(#[$field_meta])*
                    pub $field: $ty,
                )*
            }

            impl $name {
                /// Its row in the table of methods.
                pub const INFO: MethodInfo = MethodInfo {
                    id: MethodId { class: $class, method: $method },
                    name: $wire_name,
                    sender: $crate::wire::schema::sender!($sender),
                    carries_content: $crate::wire::schema::carries_content!($($content)?),
                };
            }

            impl WireMethod for $name {
                fn info(&self) -> MethodInfo {
                    Self::INFO
                }

                fn write_arguments(&self, writer: &mut Writer<'_>) {
                    let _ = &writer;
                    $(Argument::write(&self.$field, writer);)*
                }
            }

            impl From<$name> for Method {
                fn from(method: $name) -> Self {
                    Self::$name(method)
                }
            }
        )*

        /// Every method there is, in the order of their numbers.
        pub const METHODS: &[MethodInfo] = &[$($name::INFO),*];

        /// A method with its arguments.
        #[derive(Clone, PartialEq, Eq)]
        pub enum Method {
            $(
                #[doc = concat!("`", $wire_name, "`.")]
                $name($name),
            )*
        }

        impl Method {
            /// Reads the payload of a method frame.
            ///
            /// # Errors
            /// [`DecodeError`]: `UnknownMethod`, `ForeignClass`, `Argument`.
            pub fn decode(payload: &Bytes) -> Result<Self, DecodeError> {
                let (id, mut cursor) = begin(payload)?;
                match (id.class, id.method) {
                    $(
                        ($class, $method) => {
                            #[allow(unused_variables, reason = "not every method has arguments")]
                            let at = |place| move |fault| DecodeError::Argument { method: id, place, fault };
                            let method = $name {
                                $(
                                    $field: <$ty as Argument>::read(&mut cursor)
                                        .map_err(at(concat!($wire_name, ".", stringify!($field))))?,
                                )*
                            };
                            cursor.finish().map_err(at($wire_name))?;
                            Ok(Self::$name(method))
                        }
                    )*
                    _ => Err(unknown(id)),
                }
            }
        }

        impl WireMethod for Method {
            fn info(&self) -> MethodInfo {
                match self {
                    $(Self::$name(method) => method.info(),)*
                }
            }

            fn write_arguments(&self, writer: &mut Writer<'_>) {
                match self {
                    $(Self::$name(method) => method.write_arguments(writer),)*
                }
            }
        }

        impl std::fmt::Debug for Method {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$name(method) => method.fmt(f),)*
                }
            }
        }

        /// One of each method, with values out of `source`.
        #[cfg(test)]
        pub(crate) fn samples(source: &mut super::tests::sample::Source) -> Vec<Method> {
            vec![$(Method::$name($name { $($field: <$ty as Argument>::sample(source),)* })),*]
        }

        /// Whether a content header and a body follow the method with these numbers.
        const fn carries_content(id: MethodId) -> bool {
            match (id.class, id.method) {
                $(($class, $method) => $name::INFO.carries_content,)*
                _ => false,
            }
        }
    };
}

/// Who may send it.
macro_rules! sender {
    (client) => {
        $crate::wire::schema::Sender::Client
    };
    (server) => {
        $crate::wire::schema::Sender::Server
    };
    (both) => {
        $crate::wire::schema::Sender::Both
    };
}

pub(super) use {carries_content, methods, sender};
