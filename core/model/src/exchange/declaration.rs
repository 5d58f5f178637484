//! Declaring exchanges.

use super::{Arguments, ExchangeKind, ExchangeName, ExchangeRefusal, HeaderValue, Rule};

/// Names that begin so are the broker's own.
pub const RESERVED_PREFIX: &str = "amq.";

/// The argument that names where a message goes that no binding matches.
const ALTERNATE: &str = "alternate-exchange";

/// An exchange that every namespace has from the beginning: durable, for good, without arguments.
#[derive(Clone, Copy, Debug)]
pub struct Predeclared {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: ExchangeKind,
    /// Whether clients may not publish to it.
    pub internal: bool,
}

/// All of them but the default exchange, which has no bindings of its own.
pub const PREDECLARED: [Predeclared; 6] = [
    Predeclared { name: "amq.direct", kind: ExchangeKind::Direct, internal: false },
    Predeclared { name: "amq.fanout", kind: ExchangeKind::Fanout, internal: false },
    Predeclared { name: "amq.headers", kind: ExchangeKind::Headers, internal: false },
    Predeclared { name: "amq.match", kind: ExchangeKind::Headers, internal: false },
    Predeclared { name: "amq.rabbitmq.trace", kind: ExchangeKind::Topic, internal: true },
    Predeclared { name: "amq.topic", kind: ExchangeKind::Topic, internal: false },
];

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The name.
    pub name: ExchangeName,
    /// The kind.
    pub kind: ExchangeKind,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes with the last binding that leads from it.
    pub auto_delete: bool,
    /// Whether only other exchanges route to it.
    pub internal: bool,
    /// What else was said.
    pub arguments: Arguments,
}

/// An exchange as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// As it was declared.
    pub declaration: Declaration,
    /// How it routes.
    pub rule: Rule,
    /// Where a message goes that no binding matches. There need be no exchange of that name.
    pub alternate: Option<ExchangeName>,
}

impl Exchange {
    /// The exchange that a client's declaration makes.
    pub fn declared(declaration: Declaration) -> Result<Exchange, ExchangeRefusal> {
        if declaration.name.as_str().starts_with(RESERVED_PREFIX) {
            return Err(ExchangeRefusal::ReservedName(declaration.name));
        }
        Exchange::new(declaration)
    }

    fn new(declaration: Declaration) -> Result<Exchange, ExchangeRefusal> {
        if declaration.name.is_default() {
            return Err(ExchangeRefusal::DefaultExchange);
        }
        let rule = declaration.kind.rule(&declaration.arguments)?;
        let alternate = alternate(&declaration.arguments)?;
        Ok(Exchange { declaration, rule, alternate })
    }

    /// An exchange's name.
    #[must_use]
    pub fn name(&self) -> &ExchangeName {
        &self.declaration.name
    }

    /// Whether it is one of those that the broker made itself.
    #[must_use]
    pub fn is_predeclared(&self) -> bool {
        self.name().as_str().starts_with(RESERVED_PREFIX)
    }

    /// Refuses to take the exchange for what another declaration asks for. Arguments that nothing here looks at do not count.
    pub fn check_same(&self, asked: &Declaration) -> Result<(), ExchangeRefusal> {
        let current = &self.declaration;
        let yes = |yes: bool| yes.to_string();
        same("type", current.kind.name().into(), asked.kind.name().into())?;
        same("durable", yes(current.durable), yes(asked.durable))?;
        same("auto_delete", yes(current.auto_delete), yes(asked.auto_delete))?;
        same("internal", yes(current.internal), yes(asked.internal))?;
        for name in [ALTERNATE].into_iter().chain(ExchangeKind::ARGUMENTS) {
            let said = |arguments: &Arguments| arguments.get(name).map_or("none".into(), in_words);
            if current.arguments.get(name) != asked.arguments.get(name) {
                let (current, asked) = (said(&current.arguments), said(&asked.arguments));
                return Err(ExchangeRefusal::Inequivalent { argument: name, asked, current });
            }
        }
        Ok(())
    }
}

impl From<&Predeclared> for Exchange {
    fn from(exchange: &Predeclared) -> Exchange {
        let declaration = Declaration {
            name: ExchangeName::parse(exchange.name).expect("the names of the table are short"),
            kind: exchange.kind,
            durable: true,
            auto_delete: false,
            internal: exchange.internal,
            arguments: Arguments::default(),
        };
        Exchange::new(declaration).expect("the kinds of the table need no arguments")
    }
}

fn alternate(arguments: &Arguments) -> Result<Option<ExchangeName>, ExchangeRefusal> {
    let Some(value) = arguments.get(ALTERNATE) else { return Ok(None) };
    let name = value.as_text().and_then(|text| str::from_utf8(text).ok());
    let name = name.ok_or(ExchangeRefusal::InvalidArgument { name: ALTERNATE, why: "it is no text" })?;
    ExchangeName::parse(name).map(Some)
}

fn same(argument: &'static str, current: String, asked: String) -> Result<(), ExchangeRefusal> {
    if current == asked {
        return Ok(());
    }
    Err(ExchangeRefusal::Inequivalent { argument, asked, current })
}

fn in_words(value: &HeaderValue) -> String {
    match value.as_text() {
        Some(text) => String::from_utf8_lossy(text).into_owned(),
        None => format!("{value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Argument, HashOn, HashProperty};

    fn declaration(name: &str, kind: ExchangeKind, arguments: &[(&str, HeaderValue)]) -> Declaration {
        let arguments: Vec<_> =
            arguments.iter().map(|(name, value)| Argument::new(name, value.clone())).collect();
        Declaration {
            name: ExchangeName::parse(name).unwrap(),
            kind,
            durable: true,
            auto_delete: false,
            internal: false,
            arguments: Arguments::new(&arguments).unwrap(),
        }
    }

    fn text(text: &str) -> HeaderValue {
        HeaderValue::text(text)
    }

    #[test]
    fn names_of_the_broker_and_the_default_exchange_are_refused() {
        let declared = |name| Exchange::declared(declaration(name, ExchangeKind::Direct, &[]));
        assert!(matches!(declared("amq.mine"), Err(ExchangeRefusal::ReservedName(_))));
        assert_eq!(declared(""), Err(ExchangeRefusal::DefaultExchange));
        assert!(declared("amq").is_ok());
        assert!(ExchangeName::parse(&"x".repeat(256)).is_err());
    }

    #[test]
    fn kinds_have_names_and_others_are_unknown() {
        for kind in ExchangeKind::ALL {
            assert_eq!(ExchangeKind::parse(kind.name()), Ok(kind));
        }
        assert_eq!(ExchangeKind::parse("Direct"), Err(ExchangeRefusal::UnknownKind("Direct".into())));
    }

    #[test]
    fn what_is_hashed_stands_in_the_arguments() {
        let rule = |arguments: &[(&str, HeaderValue)]| {
            Exchange::declared(declaration("h", ExchangeKind::ConsistentHash, arguments)).map(|x| x.rule)
        };
        assert_eq!(rule(&[]), Ok(Rule::ConsistentHash(HashOn::RoutingKey)));
        let header = Rule::ConsistentHash(HashOn::Header("user".into()));
        assert_eq!(rule(&[("hash-header", text("user"))]), Ok(header));
        let property = Rule::ConsistentHash(HashOn::Property(HashProperty::CorrelationId));
        assert_eq!(rule(&[("hash-property", text("correlation_id"))]), Ok(property));
        for wrong in [
            &[("hash-property", text("app_id"))][..],
            &[("hash-header", HeaderValue::Integer(1))],
            &[("hash-header", text("a")), ("hash-property", text("message_id"))],
        ] {
            assert!(matches!(rule(wrong), Err(ExchangeRefusal::InvalidArgument { .. })), "{wrong:?}");
        }
    }

    #[test]
    fn a_delayed_exchange_routes_as_the_kind_that_it_names() {
        let rule = |arguments: &[(&str, HeaderValue)]| {
            Exchange::declared(declaration("d", ExchangeKind::Delayed, arguments)).map(|x| x.rule)
        };
        assert_eq!(rule(&[("x-delayed-type", text("topic"))]), Ok(Rule::Topic));
        let unknown = Err(ExchangeRefusal::UnknownKind("none".into()));
        assert_eq!(rule(&[("x-delayed-type", text("none"))]), unknown);
        for wrong in [
            &[][..],
            &[("x-delayed-type", text("x-delayed-message"))],
            &[("x-delayed-type", HeaderValue::Void)],
        ] {
            assert!(matches!(rule(wrong), Err(ExchangeRefusal::InvalidArgument { .. })), "{wrong:?}");
        }
    }

    #[test]
    fn a_declaration_is_the_same_if_all_that_matters_is() {
        let asked = declaration("x", ExchangeKind::Topic, &[("alternate-exchange", text("a"))]);
        let exchange = Exchange::declared(asked.clone()).unwrap();
        assert_eq!(exchange.alternate, Some(ExchangeName::parse("a").unwrap()));
        assert_eq!(exchange.check_same(&asked), Ok(()));

        let mut changed = vec![
            (declaration("x", ExchangeKind::Direct, &[("alternate-exchange", text("a"))]), "type"),
            (declaration("x", ExchangeKind::Topic, &[]), "alternate-exchange"),
            (
                declaration("x", ExchangeKind::Topic, &[("alternate-exchange", text("b"))]),
                "alternate-exchange",
            ),
        ];
        changed.push((Declaration { durable: false, ..asked.clone() }, "durable"));
        changed.push((Declaration { auto_delete: true, ..asked.clone() }, "auto_delete"));
        changed.push((Declaration { internal: true, ..asked }, "internal"));
        for (other, what) in changed {
            match exchange.check_same(&other) {
                Err(ExchangeRefusal::Inequivalent { argument, .. }) => assert_eq!(argument, what),
                different => panic!("{what}: {different:?}"),
            }
        }
        let noted = [("alternate-exchange", text("a")), ("note", text("for people"))];
        assert_eq!(exchange.check_same(&declaration("x", ExchangeKind::Topic, &noted)), Ok(()));
    }

    #[test]
    fn the_words_of_a_refusal_say_what_differs() {
        let exchange = Exchange::declared(declaration("x", ExchangeKind::Topic, &[])).unwrap();
        let asked = declaration("x", ExchangeKind::Topic, &[("alternate-exchange", text("b"))]);
        let refusal = exchange.check_same(&asked).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "the exchange differs in 'alternate-exchange': asked for 'b', it is 'none'"
        );
    }
}
