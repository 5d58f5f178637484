//! Consumer groups by the classic protocol: the members agree, the broker keeps time.
//!
//! | file | noun |
//! |---|---|
//! | [`member`] | one member: join, be told its share, stay alive, leave |
//! | [`share`] | the bytes that members exchange: subscriptions and shares |
//! | [`assignor`] | who gets what, when this member is the one to say it |
//! | [`committed`] | how far a group has come |

pub mod assignor;
pub mod committed;
pub mod member;
pub mod share;

pub use member::{Member, MemberOptions};
