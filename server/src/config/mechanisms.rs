//! How clients may log in.

use forebay_model::login::Mechanism;

use super::table::{Kind, Many};
use super::value::{Value, kind, quoted};

impl Value for Vec<Mechanism> {
    const KIND: Kind = Kind { many: Many::List, ..kind("mechanisms", "MECHANISM") };

    fn parse(text: &str) -> Result<Self, String> {
        let one = |item: &str| {
            let named = Mechanism::named(&item.to_ascii_uppercase());
            named.ok_or_else(|| {
                format!("has {item:?}; there are {}", Mechanism::ALL.map(Mechanism::name).join(" and "))
            })
        };
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let mut mechanisms = Vec::new();
        for item in items {
            let mechanism = one(item)?;
            if mechanisms.contains(&mechanism) {
                return Err(format!("has {} twice", mechanism.name()));
            }
            mechanisms.push(mechanism);
        }
        Ok(mechanisms)
    }

    fn text(&self) -> String {
        self.iter().map(|mechanism| mechanism.name()).collect::<Vec<_>>().join(",")
    }

    fn toml(&self) -> String {
        let items: Vec<String> = self.iter().map(|mechanism| quoted(mechanism.name())).collect();
        format!("[{}]", items.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mechanisms_are_read_and_printed_alike() {
        for text in ["PLAIN", "SCRAM-SHA-512,PLAIN", ""] {
            assert_eq!(Vec::<Mechanism>::parse(text).map(|found| found.text()), Ok(text.into()));
        }
        assert_eq!(Vec::<Mechanism>::parse("plain").map(|found| found.text()), Ok("PLAIN".into()));
        assert!(Vec::<Mechanism>::parse("GSSAPI").is_err_and(|why| why.contains("SCRAM-SHA-256")));
        assert!(Vec::<Mechanism>::parse("PLAIN,plain").is_err_and(|why| why.contains("twice")));
    }
}
