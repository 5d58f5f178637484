//! Settings: where they come from, what they may be, and what they are.
//!
//! | file | noun |
//! |---|---|
//! | [`settings`] | the one table: every setting with its type, default, bounds and meaning |
//! | [`table`] | what a row of that table is, and the names derived from its key |
//! | [`value`], [`size`], [`span`], [`address`], [`reserve`], [`log_levels`], `mechanisms`, `principals` | the types a setting can have |
//! | [`machine`] | what the defaults depend on |
//! | [`file`](mod@file), [`environment`] | two of the four sources; the command line is read by its owner |
//! | [`load`](mod@load) | defaults < file < environment < command line, into a [`Config`] |
//! | [`check`] | what settings may not be together |
//! | [`print`], [`reference`](mod@reference) | `serve --print-config`, and the page of the manual |

pub mod address;
mod check;
mod environment;
mod file;
pub mod load;
pub mod log_levels;
pub mod machine;
mod mechanisms;
mod nearest;
mod principals;
pub mod print;
pub mod reference;
pub mod reserve;
pub mod settings;
pub mod size;
pub mod span;
pub mod table;
#[cfg(test)]
mod tests;
pub mod value;

pub use address::{HostPort, ListenerAddress, ListenerKind};
pub use load::{ConfigError, Effective, Loaded, Origin, Sources, load};
pub use log_levels::{LogLevel, LogLevels};
pub use machine::Machine;
pub use nearest::nearest_flag;
pub use reference::reference;
pub use reserve::{Percent, Reserve};
pub use settings::{Config, SETTINGS};
pub use size::ByteSize;
pub use table::{Change, Setting};
pub use value::{AccessControl, LogFormat};
