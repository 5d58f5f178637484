//! Exchanges: the rules by which a publish finds its queues, as they are declared and bound.
//!
//! What is here holds for every replica and every node alike: names, kinds, bindings, and which of them can be. Who keeps them is the
//! catalogue; who routes by them is the front desk.

mod arguments;
mod binding;
mod declaration;
mod header_match;
mod kind;
mod name;
mod refusal;
mod value;
mod weight;

pub use self::arguments::{Argument, Arguments};
pub use self::binding::{Binding, Destination, RoutingKey};
pub use self::declaration::{Declaration, Exchange, PREDECLARED, Predeclared, RESERVED_PREFIX};
pub use self::header_match::{Criterion, HeaderMatch, Quantifier};
pub use self::kind::{ExchangeKind, HashOn, HashProperty, Rule};
pub use self::name::{ExchangeName, QueueId, QueueName};
pub use self::refusal::ExchangeRefusal;
pub use self::value::{Float, HeaderValue};
pub use self::weight::Weight;
