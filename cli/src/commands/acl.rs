//! `forebay acl`.

use std::io::Write;

use serde_json::{Value, json};

use super::connect::connect;
use crate::args::{self, AclAdd, AclFilters, AclList, AclRemove, AclResources};
use crate::client::acls::{self, Filter, Rule, word};
use crate::exit::Failure;
use crate::output::table::Table;

/// Does it.
///
/// # Errors
/// When it is refused, or fails.
pub fn run(args: &args::Acl) -> Result<(), Failure> {
    match args {
        args::Acl::List(args) => list(args),
        args::Acl::Add(args) => add(args),
        args::Acl::Remove(args) => remove(args),
    }
}

fn list(args: &AclList) -> Result<(), Failure> {
    let mut cluster = connect(&args.connect)?;
    let found = acls::list(&mut cluster, &filters(&args.filters))?;
    Ok(write(&text(&found, args.json))?)
}

/// Those that were refused do not keep the others out.
fn add(args: &AclAdd) -> Result<(), Failure> {
    let rules = rules(args)?;
    let mut cluster = connect(&args.connect)?;
    let results = acls::add(&mut cluster, &rules)?;
    let (mut added, mut refused) = (Vec::new(), None);
    for (rule, result) in rules.into_iter().zip(results) {
        match result {
            Ok(()) => added.push(rule),
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    write(&text(&added, args.json))?;
    refused.map_or(Ok(()), |why| Err(why.into()))
}

fn remove(args: &AclRemove) -> Result<(), Failure> {
    let filters = filters(&args.filters);
    let means_all = filters.iter().all(|filter| *filter == Filter::ANY);
    if means_all != args.all {
        let why = "say which rules: with what they are about, whose they are, or what they say; or --all alone for every one";
        return Err(Failure::usage(why));
    }
    let mut cluster = connect(&args.connect)?;
    let removed = acls::remove(&mut cluster, &filters)?;
    Ok(write(&text(&removed, args.json))?)
}

/// One for everything that was named.
fn rules(args: &AclAdd) -> Result<Vec<Rule>, Failure> {
    let named = resources(&args.resources);
    if named.is_empty() {
        return Err(Failure::usage(
            "say what the rule is about: --topic, --group, --transactional-id or --cluster",
        ));
    }
    let mut rules = Vec::new();
    for (kind, name) in named {
        let is_prefix = args.prefixed && kind != acls::CLUSTER;
        for principal in &args.principal {
            for host in &args.host {
                rules.extend(args.operation.iter().map(|operation| Rule {
                    kind,
                    name: name.clone(),
                    pattern: if is_prefix { acls::PREFIXED } else { acls::LITERAL },
                    principal: principal.clone(),
                    host: host.clone(),
                    operation: *operation,
                    permission: if args.deny { acls::DENY } else { acls::ALLOW },
                }));
            }
        }
    }
    Ok(rules)
}

/// One for each resource that was named, or one for all.
fn filters(said: &AclFilters) -> Vec<Filter> {
    let of = |kind, name| Filter {
        kind,
        name,
        pattern: said.pattern,
        principal: said.principal.clone(),
        host: said.host.clone(),
        operation: said.operation.unwrap_or(acls::ANY),
        permission: said.permission.unwrap_or(acls::ANY),
    };
    let named = resources(&said.resources);
    if named.is_empty() {
        return vec![of(acls::ANY, None)];
    }
    named.into_iter().map(|(kind, name)| of(kind, Some(name))).collect()
}

fn resources(said: &AclResources) -> Vec<(i8, String)> {
    let number = |word| acls::KINDS.iter().find(|(_, known)| *known == word).map_or(acls::ANY, |(n, _)| *n);
    let cluster = said.cluster.then(|| acls::CLUSTER_NAME.to_owned());
    let kinds: [(&str, Vec<String>); 4] = [
        ("topic", said.topic.clone()),
        ("group", said.group.clone()),
        ("transactional-id", said.transactional_id.clone()),
        ("cluster", cluster.into_iter().collect()),
    ];
    let named =
        kinds.into_iter().flat_map(|(word, names)| names.into_iter().map(move |name| (number(word), name)));
    named.collect()
}

fn text(rules: &[Rule], json: bool) -> String {
    if json {
        let row = |rule: &Rule| {
            json!({
                "resource": word(acls::KINDS, rule.kind),
                "name": rule.name,
                "pattern": word(acls::PATTERNS, rule.pattern),
                "principal": rule.principal,
                "host": rule.host,
                "operation": word(acls::OPERATIONS, rule.operation),
                "permission": word(acls::PERMISSIONS, rule.permission),
            })
        };
        return format!("{:#}\n", Value::Array(rules.iter().map(row).collect()));
    }
    let mut table =
        Table::new(&["RESOURCE", "NAME", "PATTERN", "PRINCIPAL", "HOST", "OPERATION", "PERMISSION"], &[]);
    for rule in rules {
        table.row([
            word(acls::KINDS, rule.kind),
            rule.name.clone(),
            word(acls::PATTERNS, rule.pattern),
            rule.principal.clone(),
            rule.host.clone(),
            word(acls::OPERATIONS, rule.operation),
            word(acls::PERMISSIONS, rule.permission),
        ]);
    }
    table.text()
}

fn write(text: &str) -> std::io::Result<()> {
    std::io::stdout().write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(topic: &[&str], cluster: bool) -> AclResources {
        AclResources {
            topic: topic.iter().map(ToString::to_string).collect(),
            group: Vec::new(),
            transactional_id: Vec::new(),
            cluster,
        }
    }

    #[test]
    fn a_rule_is_made_for_everything_that_is_named() {
        let args = AclAdd {
            connect: args::Connect {
                broker: Vec::new(),
                command_config: None,
                timeout: std::time::Duration::ZERO,
            },
            resources: about(&["a", "b"], true),
            prefixed: true,
            principal: vec!["User:x".into(), "User:y".into()],
            host: vec!["*".into()],
            operation: vec![3, 4],
            deny: false,
            json: false,
        };
        let rules = rules(&args).expect("it is about something");
        assert_eq!(rules.len(), 12);
        let of = |rule: &Rule| (rule.kind, rule.name.clone(), rule.pattern, rule.operation);
        assert_eq!(of(&rules[0]), (2, "a".into(), 4, 3));
        assert_eq!(of(&rules[11]), (4, "kafka-cluster".into(), 3, 4), "the cluster has one name");
        assert!(text(&rules, false).contains("topic     a              prefixed  User:x"));
    }

    #[test]
    fn what_is_not_said_may_be_anything() {
        let said = |resources| AclFilters {
            resources,
            pattern: 1,
            principal: None,
            host: None,
            operation: None,
            permission: None,
        };
        assert_eq!(filters(&said(about(&[], false))), [Filter::ANY]);
        let named = filters(&said(about(&["a", "b"], false)));
        assert_eq!(
            named.iter().map(|filter| filter.name.clone()).collect::<Vec<_>>(),
            [Some("a".into()), Some("b".into())]
        );
    }
}
