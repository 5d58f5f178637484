//! What a row of the table of settings says, and what follows from it.

use super::machine::Machine;

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the file; dots separate tables: `topic.retention`.
    pub key: &'static str,
    /// What it means and what it bounds, in sentences.
    pub doc: &'static str,
    /// What kind of value it takes.
    pub kind: Kind,
    /// What it is when no source says anything.
    pub default: DefaultValue,
    /// Least and greatest value, both allowed, as one would write them.
    pub bounds: Option<(&'static str, &'static str)>,
    /// When a change takes effect.
    pub change: Change,
}

/// What kind of value a setting takes, for people and for command-line parsers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// A word for it: `size`, `duration`, `number` ...
    pub word: &'static str,
    /// What stands for the value in a synopsis: `SIZE`.
    pub placeholder: &'static str,
    /// The only values there are, when they can be counted.
    pub choices: &'static [&'static str],
    /// Whether it is a list.
    pub many: Many,
}

/// Whether a setting holds one value or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Many {
    /// One.
    One,
    /// Several: a list in the file, commas in the environment, a repeated flag on the command line.
    List,
}

/// What a setting is when no source says anything.
#[derive(Clone, Copy)]
pub enum DefaultValue {
    /// Always this.
    Fixed(&'static str),
    /// It depends on the machine or on settings above it in the table.
    Computed {
        /// The rule, as a phrase.
        rule: &'static str,
        /// The rule, at work.
        value: fn(&Facts<'_>) -> String,
    },
}

impl std::fmt::Debug for DefaultValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            DefaultValue::Fixed(text) => text,
            DefaultValue::Computed { rule, .. } => rule,
        })
    }
}

/// When a change of a setting takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// At the next start.
    AtStart,
    /// At once, through the HTTP listener.
    Live,
}

/// What computed defaults may look at.
pub struct Facts<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// The settings above in the table, already decided: (key, measure).
    pub(super) decided: &'a [(&'static str, Option<u128>)],
}

impl Facts<'_> {
    /// The value of a setting above in the table, as a plain number of bytes, milliseconds or things.
    ///
    /// # Panics
    /// When there is no such setting above: the table is wrong.
    pub fn number(&self, key: &str) -> u128 {
        let found = self.decided.iter().find(|(name, _)| *name == key);
        found.and_then(|(_, measure)| *measure).expect("a default looks only at bounded settings above it")
    }
}

impl Setting {
    /// Its flag on the command line, without the dashes before it: `topic-retention`.
    #[must_use]
    pub fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }

    /// Its environment variable: `FOREBAY_TOPIC_RETENTION`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.key.replace('.', "_").to_uppercase())
    }

    /// Its default in words, with the rule when there is one.
    #[must_use]
    pub fn default_words(&self) -> &'static str {
        match self.default {
            DefaultValue::Fixed("") => "none",
            DefaultValue::Fixed(text) => text,
            DefaultValue::Computed { rule, .. } => rule,
        }
    }
}

/// What every environment variable of ours starts with.
pub const VARIABLE_PREFIX: &str = "FOREBAY_";

/// The variable that names the file of settings.
pub const FILE_VARIABLE: &str = "FOREBAY_CONFIG";

/// Declares the settings: from each row one field of `Config`, one row of `SETTINGS`, and the step that fills the field.
macro_rules! settings {
    ($(
        $(#[doc = $doc:literal])+
        $field:ident: $type:ty, $key:literal, default $default:expr, $([$least:literal..=$most:literal],)? $change:ident;
    )+) => {
        /// Every setting of a node, checked: each within its bounds, and all of them possible together.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        /// Every setting, in the order of the manual.
        pub static SETTINGS: &[$crate::config::table::Setting] = &[
            $($crate::config::table::Setting {
                key: $key,
                doc: concat!($($doc),+),
                kind: <$type as $crate::config::value::Value>::KIND,
                default: $default,
                bounds: settings!(@bounds $($least, $most)?),
                change: $crate::config::table::Change::$change,
            },)+
        ];

        impl Config {
            /// Fills every field in the order of the table; `None` when any value is wrong (the resolver knows which).
            pub(super) fn resolve(resolver: &mut $crate::config::load::Resolver<'_>) -> Option<Config> {
                let mut rows = SETTINGS.iter();
                $(let $field: Option<$type> =
                    resolver.value(rows.next().expect("the fields and the rows come from one list"));)+
                Some(Config { $($field: $field?,)+ })
            }
        }
    };
    (@bounds) => { None };
    (@bounds $least:literal, $most:literal) => { Some(($least, $most)) };
}
pub(super) use settings;
