//! `forebay acl`.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use super::Connect;
use crate::client::acls::{OPERATIONS, PATTERNS, PERMISSIONS};

/// `forebay acl`.
#[derive(Debug, Subcommand)]
pub enum Acl {
    /// List rules: all, or those that match everything that is said
    List(AclList),
    /// Add rules: one for every principal, host, operation and resource that is said
    Add(AclAdd),
    /// Remove the rules that match everything that is said
    Remove(AclRemove),
}

/// What rules are about.
#[derive(Clone, Debug, Args)]
pub struct AclResources {
    /// A topic; "*" is every topic (can be repeated)
    #[arg(long, value_name = "NAME")]
    pub topic: Vec<String>,
    /// A group (can be repeated)
    #[arg(long, value_name = "ID")]
    pub group: Vec<String>,
    /// A transactional id (can be repeated)
    #[arg(long, value_name = "ID")]
    pub transactional_id: Vec<String>,
    /// The cluster itself
    #[arg(long)]
    pub cluster: bool,
}

/// Which rules are meant.
#[derive(Clone, Debug, Args)]
pub struct AclFilters {
    #[command(flatten)]
    pub resources: AclResources,
    /// Which rules a name means: those with this very name (any), all that are about it (match), or those of one kind with this very name
    #[arg(long, default_value = "any", value_parser = number(PATTERNS))]
    pub pattern: i8,
    /// Whose, as User:alice
    #[arg(long, value_name = "PRINCIPAL")]
    pub principal: Option<String>,
    /// For this address
    #[arg(long, value_name = "ADDRESS")]
    pub host: Option<String>,
    /// About this
    #[arg(long, value_parser = number(OPERATIONS))]
    pub operation: Option<i8>,
    /// Those that say so
    #[arg(long, value_parser = number(PERMISSIONS))]
    pub permission: Option<i8>,
}

/// `forebay acl list`.
#[derive(Debug, Args)]
pub struct AclList {
    #[command(flatten)]
    pub connect: Connect,
    #[command(flatten)]
    pub filters: AclFilters,
    /// Write one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `forebay acl add`.
#[derive(Debug, Args)]
pub struct AclAdd {
    #[command(flatten)]
    pub connect: Connect,
    #[command(flatten)]
    pub resources: AclResources,
    /// Names are prefixes: what begins so is meant
    #[arg(long)]
    pub prefixed: bool,
    /// Who, as User:alice; User:* is everybody (can be repeated)
    #[arg(long, value_name = "PRINCIPAL", required = true)]
    pub principal: Vec<String>,
    /// From this address; "*" is everywhere (can be repeated)
    #[arg(long, value_name = "ADDRESS", default_value = "*")]
    pub host: Vec<String>,
    /// What they do (can be repeated)
    #[arg(long, required = true, value_parser = number(OPERATIONS))]
    pub operation: Vec<i8>,
    /// They may not, whatever other rules say
    #[arg(long)]
    pub deny: bool,
    /// Write one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `forebay acl remove`.
#[derive(Debug, Args)]
pub struct AclRemove {
    #[command(flatten)]
    pub connect: Connect,
    #[command(flatten)]
    pub filters: AclFilters,
    /// Remove every rule there is
    #[arg(long)]
    pub all: bool,
    /// Write one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Takes a word for the number that it stands for.
fn number(words: &'static [(i8, &'static str)]) -> impl TypedValueParser<Value = i8> {
    PossibleValuesParser::new(words.iter().map(|(_, word)| *word)).map(move |said: String| {
        let found = words.iter().find(|(_, word)| *word == said);
        found.expect("it is one of the words").0
    })
}
