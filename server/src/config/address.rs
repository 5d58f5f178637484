//! Where to listen, and where clients are told to come.

use std::fmt;
use std::net::IpAddr;

use super::table::{Kind, Many};
use super::value::{Value, kind, quoted};

/// What is spoken at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListenerKind {
    /// Kafka's protocol.
    Kafka,
    /// AMQP 0-9-1.
    Amqp,
    /// Metrics, health, live log levels.
    Http,
}

impl ListenerKind {
    const ALL: &[ListenerKind] = &[ListenerKind::Kafka, ListenerKind::Amqp, ListenerKind::Http];

    /// Its word: `kafka`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ListenerKind::Kafka => "kafka",
            ListenerKind::Amqp => "amqp",
            ListenerKind::Http => "http",
        }
    }
}

/// A host, by name or by number, and a TCP port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// Name or address; an IPv6 address without its brackets.
    pub host: String,
    /// Zero: any free port, or the listener's own.
    pub port: u16,
}

impl HostPort {
    /// Whether only this machine can reach it. A name other than `localhost` may mean anything.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Whether it stands for all addresses of the machine, so that no client can be told to connect to it.
    #[must_use]
    pub fn is_unspecified(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified())
    }

    /// Reads `HOST:PORT` or `[ADDRESS]:PORT`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<HostPort, String> {
        let wrong = |why: &str| format!("{text:?} is not HOST:PORT: {why}");
        let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong("there is no port"))?;
        let port = port.parse().map_err(|_| wrong("the port is not a number up to 65535"))?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(v6) if v6.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()) => v6,
            Some(_) => return Err(wrong("there is no IPv6 address between the brackets")),
            None if host.contains(':') => return Err(wrong("an IPv6 address stands in brackets")),
            None => host,
        };
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(named) {
            return Err(wrong("the host is neither a name nor an address"));
        }
        Ok(HostPort { host: host.into(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// An address and what is spoken there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerAddress {
    /// What is spoken.
    pub kind: ListenerKind,
    /// Whether connections are encrypted.
    pub tls: bool,
    /// Whether clients have to log in before anything else.
    pub sasl: bool,
    /// Where.
    pub address: HostPort,
}

/// What can stand behind a protocol: whether connections are encrypted, and whether clients have to log in.
const DEMANDS: [(&str, bool, bool); 4] =
    [("", false, false), ("+tls", true, false), ("+sasl", false, true), ("+tls+sasl", true, true)];

impl ListenerAddress {
    fn parse_one(text: &str) -> Result<ListenerAddress, String> {
        let words: Vec<&str> = ListenerKind::ALL.iter().map(|kind| kind.word()).collect();
        let Some((word, address)) = text.split_once('=') else {
            return Err(format!("has {text:?}, where {}=HOST:PORT is expected", words.join("= or ")));
        };
        let (word, demands) = word.split_at(word.find('+').unwrap_or(word.len()));
        let kind = ListenerKind::ALL.iter().find(|kind| kind.word() == word);
        let kind = *kind.ok_or_else(|| {
            format!("has {text:?}, but {word:?} is not a protocol; there are {}", words.join(", "))
        })?;
        let (_, tls, sasl) = match (kind, DEMANDS.iter().find(|known| known.0 == demands)) {
            (ListenerKind::Http, _) if !demands.is_empty() => {
                return Err(format!("has {text:?}, but http is neither encrypted nor asks who somebody is"));
            }
            (_, Some(demands)) => *demands,
            (_, None) => {
                let all = DEMANDS.map(|(demands, ..)| format!("{}{demands}", kind.word()));
                return Err(format!("has {text:?}; there are {}", all.join(", ")));
            }
        };
        let address = HostPort::parse(address).map_err(|why| format!("has {why}"))?;
        Ok(ListenerAddress { kind, tls, sasl, address })
    }

    /// What stands before its address: `kafka+tls+sasl`.
    #[must_use]
    pub fn word(&self) -> String {
        let demands = DEMANDS.iter().find(|(_, tls, sasl)| (*tls, *sasl) == (self.tls, self.sasl));
        format!("{}{}", self.kind.word(), demands.map_or("", |(word, ..)| word))
    }

    /// Whether the same is spoken at both, and the same asked for.
    #[must_use]
    pub fn is_like(&self, other: &ListenerAddress) -> bool {
        (self.kind, self.tls, self.sasl) == (other.kind, other.tls, other.sasl)
    }
}

impl fmt::Display for ListenerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.word(), self.address)
    }
}

impl Value for Vec<ListenerAddress> {
    const KIND: Kind = Kind { many: Many::List, ..kind("addresses", "PROTOCOL=HOST:PORT") };

    fn parse(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(ListenerAddress::parse_one)
            .collect()
    }

    fn text(&self) -> String {
        self.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    fn toml(&self) -> String {
        let items: Vec<String> = self.iter().map(|item| quoted(&item.to_string())).collect();
        format!("[{}]", items.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_printed_alike() {
        for text in [
            "kafka=127.0.0.1:9092",
            "amqp=127.0.0.1:5672,amqp+tls=127.0.0.1:5671",
            "http=localhost:0",
            "kafka+sasl=[::1]:9092,kafka+tls+sasl=a:1,kafka+tls=b:2",
        ] {
            assert_eq!(Vec::<ListenerAddress>::parse(text).unwrap().text(), text);
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said() {
        for (text, part) in [
            ("127.0.0.1:9092", "kafka= or amqp= or http=HOST:PORT"),
            ("kafak=127.0.0.1:9092", "there are kafka, amqp, http"),
            ("kafka+ssl=127.0.0.1:9093", "there are kafka, kafka+tls, kafka+sasl, kafka+tls+sasl"),
            ("kafka+=127.0.0.1:9093", "there are kafka, kafka+tls"),
            ("http+tls=127.0.0.1:80", "neither encrypted"),
            ("kafka=127.0.0.1", "there is no port"),
            ("kafka=127.0.0.1:70000", "up to 65535"),
            ("kafka=::1:9092", "stands in brackets"),
            ("kafka=[127.0.0.1]:9092", "no IPv6 address"),
            ("kafka=:9092", "neither a name nor an address"),
            ("kafka=a b:9092", "neither a name nor an address"),
        ] {
            let why = Vec::<ListenerAddress>::parse(text).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
    }

    #[test]
    fn only_this_machine_is_known_by_its_loopback_addresses() {
        for (text, loopback) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("LocalHost:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("10.0.0.1:1", false),
            ("localhost.example.org:1", false),
        ] {
            assert_eq!(HostPort::parse(text).unwrap().is_loopback(), loopback, "{text}");
        }
    }
}
