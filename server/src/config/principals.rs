//! Who is named in settings.

use forebay_model::{Principal, PrincipalKind};

use super::table::{Kind, Many};
use super::value::{Value, kind, quoted};

impl Value for Vec<Principal> {
    const KIND: Kind = Kind { many: Many::List, ..kind("principals", "User:NAME") };

    /// A name may have commas: those of certificates do. So one principal ends where the next begins.
    fn parse(text: &str) -> Result<Self, String> {
        let mut principals: Vec<Principal> = Vec::new();
        for item in items(text) {
            let principal = one(item)?;
            if principals.contains(&principal) {
                return Err(format!("has {principal} twice"));
            }
            principals.push(principal);
        }
        Ok(principals)
    }

    fn text(&self) -> String {
        self.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    fn toml(&self) -> String {
        let items: Vec<String> = self.iter().map(|principal| quoted(&principal.to_string())).collect();
        format!("[{}]", items.join(", "))
    }
}

/// Cut at the commas, and at the semicolons of Kafka's `super.users`, that a principal follows.
fn items(text: &str) -> impl Iterator<Item = &str> {
    let begins = |rest: &str| rest.trim_start().starts_with(&prefix());
    let cuts = text.match_indices([',', ';']).map(|(at, _)| at).filter(|at| begins(&text[at + 1..]));
    let mut from = 0;
    let mut items = Vec::new();
    for at in cuts {
        items.push(&text[from..at]);
        from = at + 1;
    }
    items.push(&text[from..]);
    items.into_iter().map(str::trim).filter(|item| !item.is_empty())
}

fn prefix() -> String {
    format!("{}:", PrincipalKind::User.word())
}

fn one(item: &str) -> Result<Principal, String> {
    let name =
        item.strip_prefix(&prefix()).ok_or_else(|| format!("has {item:?}, where User:NAME is expected"))?;
    Principal::user(name).map_err(|why| format!("has {item:?}, but {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_are_read_and_printed_alike() {
        for text in ["", "User:alice", "User:alice,User:bob", "User:CN=broker,O=Example,User:ANONYMOUS"] {
            assert_eq!(Vec::<Principal>::parse(text).map(|found| found.text()), Ok(text.into()));
        }
        let several = Vec::<Principal>::parse(" User:CN=a,OU=b ; User:bob ").map(|found| found.text());
        assert_eq!(several, Ok("User:CN=a,OU=b,User:bob".into()));
    }

    #[test]
    fn what_is_no_principal_is_named() {
        assert!(Vec::<Principal>::parse("alice").is_err_and(|why| why.contains("User:NAME")));
        assert!(Vec::<Principal>::parse("User:").is_err_and(|why| why.contains("at least one")));
        assert!(Vec::<Principal>::parse("User:a,User:a").is_err_and(|why| why.contains("twice")));
    }
}
