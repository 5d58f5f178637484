//! What the type of a setting must be able to do, and the plain types.

use std::path::PathBuf;

use forebay_gateway::ClientCertificates;
use forebay_model::{FlushClass, NodeId, TimestampType};

use super::table::{Kind, Many};

/// A type that a setting can have. Every value has one canonical text, and `parse` of it gives the value back.
pub trait Value: Sized {
    /// What kind of value this is.
    const KIND: Kind;

    /// Reads a value.
    ///
    /// # Errors
    /// What is wrong with the text, as the end of a sentence that began with the name of the setting.
    fn parse(text: &str) -> Result<Self, String>;

    /// Its canonical text.
    fn text(&self) -> String;

    /// The value as a plain number (bytes, milliseconds, things) to hold against bounds; `None` when it has no size.
    fn measure(&self) -> Option<u128> {
        None
    }

    /// The value as TOML.
    fn toml(&self) -> String {
        quoted(&self.text())
    }
}

/// A kind of single values that cannot be counted.
pub(super) const fn kind(word: &'static str, placeholder: &'static str) -> Kind {
    Kind { word, placeholder, choices: &[], many: Many::One }
}

/// A basic TOML string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The word for a value without a bound.
pub(super) const UNLIMITED: &str = "unlimited";

impl Value for PathBuf {
    const KIND: Kind = kind("path", "PATH");

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty".into());
        }
        Ok(text.into())
    }

    fn text(&self) -> String {
        self.to_string_lossy().into_owned()
    }
}

/// A file that may be named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilePath(pub Option<PathBuf>);

impl Value for FilePath {
    const KIND: Kind = kind("path", "PATH");

    fn parse(text: &str) -> Result<Self, String> {
        Ok(FilePath((!text.is_empty()).then(|| text.into())))
    }

    fn text(&self) -> String {
        self.0.as_ref().map_or_else(String::new, |path| path.to_string_lossy().into_owned())
    }
}

impl Value for bool {
    const KIND: Kind = Kind { choices: &["true", "false"], ..kind("switch", "true|false") };

    fn parse(text: &str) -> Result<Self, String> {
        choose(text, &[("true", true), ("false", false)])
    }

    fn text(&self) -> String {
        self.to_string()
    }

    fn toml(&self) -> String {
        self.text()
    }
}

impl Value for u32 {
    const KIND: Kind = kind("number", "N");

    fn parse(text: &str) -> Result<Self, String> {
        text.replace('_', "").parse().map_err(|_| format!("is {text:?}, which is not a whole number"))
    }

    fn text(&self) -> String {
        self.to_string()
    }

    fn measure(&self) -> Option<u128> {
        Some(u128::from(*self))
    }

    fn toml(&self) -> String {
        self.text()
    }
}

impl Value for NodeId {
    const KIND: Kind = u32::KIND;

    fn parse(text: &str) -> Result<Self, String> {
        u32::parse(text).map(|n| NodeId(u64::from(n)))
    }

    fn text(&self) -> String {
        self.to_string()
    }

    fn measure(&self) -> Option<u128> {
        Some(u128::from(self.0))
    }

    fn toml(&self) -> String {
        self.text()
    }
}

/// A value that may be without a bound.
impl<T: Value> Value for Option<T> {
    const KIND: Kind = T::KIND;

    fn parse(text: &str) -> Result<Self, String> {
        if text == UNLIMITED {
            return Ok(None);
        }
        T::parse(text).map(Some).map_err(|why| format!("{why}; or {UNLIMITED:?}"))
    }

    fn text(&self) -> String {
        self.as_ref().map_or_else(|| UNLIMITED.into(), T::text)
    }

    fn measure(&self) -> Option<u128> {
        self.as_ref().and_then(T::measure)
    }
}

/// Who may do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessControl {
    /// Everybody everything.
    None,
    /// What rules of access allow.
    Acl,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

fn choose<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    match choices.iter().find(|(name, _)| *name == text) {
        Some((_, value)) => Ok(*value),
        None => {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            Err(format!("is {text:?}; it can be {}", names.join(" or ")))
        }
    }
}

macro_rules! choice {
    ($type:ty, $placeholder:literal, $($name:literal => $value:expr),+) => {
        impl Value for $type {
            const KIND: Kind = Kind { choices: &[$($name),+], ..kind("choice", $placeholder) };

            fn parse(text: &str) -> Result<Self, String> {
                choose(text, &[$(($name, $value)),+])
            }

            fn text(&self) -> String {
                let names = [$(($name, $value)),+];
                let found = names.iter().find(|(_, value)| value == self);
                found.expect("every value has a name").0.into()
            }
        }
    };
}

choice!(AccessControl, "none|acl", "none" => AccessControl::None, "acl" => AccessControl::Acl);
choice!(
    ClientCertificates, "none|requested|required",
    "none" => ClientCertificates::Ignored,
    "requested" => ClientCertificates::Requested,
    "required" => ClientCertificates::Required
);
choice!(LogFormat, "text|json", "text" => LogFormat::Text, "json" => LogFormat::Json);
choice!(FlushClass, "sync|async", "sync" => FlushClass::Sync, "async" => FlushClass::Async);
choice!(TimestampType, "create|append", "create" => TimestampType::Create, "append" => TimestampType::Append);
