//! The command line.
//!
//! The flags of `serve` that are settings come from the table of settings, so they are parsed as text here and understood
//! there, together with the file and the environment.

mod acl;
mod bench;
mod import;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{
    Arg, ArgAction, ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
};
use clap_complete::Shell;
use forebay_kafka::model::user::PasswordHash;
use forebay_kafka::record::batch::Codec;
use forebay_server::config::table::{Many, Setting};
use forebay_server::config::{SETTINGS, nearest_flag};

use crate::exit::Exit;
use crate::output::time;

pub use acl::{Acl, AclAdd, AclFilters, AclList, AclRemove, AclResources};
pub use bench::{Bench, BenchClassic, BenchConsume, BenchLatency, BenchLoad, BenchOn, BenchProduce};
pub use import::{Check, CheckKafka, Import, ImportKafka};

/// One message broker for everyone's clients, and commands that speak to any broker of Kafka's protocol.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, max_term_width = 110, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Invocation,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Invocation {
    /// Start the broker
    Serve(Serve),
    /// Send lines, or JSON objects, as records to a topic
    Produce(Produce),
    /// Read records of topics, as lines or as JSON objects
    Consume(Consume),
    /// Create, list, describe and delete topics
    #[command(subcommand)]
    Topic(Topic),
    /// List consumer groups, and say how far behind they are and why
    #[command(subcommand)]
    Group(Group),
    /// Say who may log in: add, remove and list users
    #[command(subcommand)]
    User(User),
    /// Say who may do what: add, remove and list rules of access
    #[command(subcommand)]
    Acl(Acl),
    /// Take topics, offsets and groups over from another cluster, and go on from there
    #[command(subcommand)]
    Import(Import),
    /// Say what of another cluster would be different here
    #[command(subcommand)]
    Check(Check),
    /// Put load on a broker, as light as a client can be, and measure
    #[command(subcommand)]
    Bench(Bench),
    /// Say how much room a broker has left on its disk, and for how long
    Disk(Disk),
    /// Print the broker's files as text, or check a whole data directory
    Dump(Dump),
    /// Print a script that completes this command line in a shell
    Completions(Completions),
}

/// `forebay serve`.
#[derive(Debug, Args)]
#[command(
    after_help = "Every setting is also a key of the file and an environment variable: --topic-retention is \
    topic.retention in the file, and FOREBAY_TOPIC_RETENTION. --print-config shows them all."
)]
pub struct Serve {
    /// Read settings from this file (TOML); FOREBAY_CONFIG names one too
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the settings that would be in force, and where each came from, and exit
    #[arg(long)]
    pub print_config: bool,
    /// Settings given as flags: (flag without dashes, value).
    #[arg(skip)]
    pub settings: Vec<(String, String)>,
}

/// Which broker, and how patient.
#[derive(Clone, Debug, Args)]
pub struct Connect {
    /// Brokers to begin with
    #[arg(
        short,
        long,
        value_name = "HOST:PORT,...",
        default_value = "127.0.0.1:9092",
        value_delimiter = ','
    )]
    pub broker: Vec<String>,
    /// A client's properties, in Kafka's words, for listeners that ask for TLS or a login: security.protocol, sasl.*, ssl.*
    #[arg(long, value_name = "FILE")]
    pub command_config: Option<PathBuf>,
    /// How long one thing may take, all tries together
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = time::duration)]
    pub timeout: Duration,
}

/// `forebay produce`.
#[derive(Debug, Args)]
pub struct Produce {
    /// The topic
    pub topic: String,
    /// Files to send; without one, or as "-", standard input
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub connect: Connect,
    /// Read a JSON object per line, as `consume --json` writes it
    #[arg(long, conflicts_with_all = ["key", "key_separator", "header", "partition", "whole", "empty_is_null"])]
    pub json: bool,
    /// Send each file as one record instead of each line
    #[arg(long, conflicts_with = "key_separator")]
    pub whole: bool,
    /// The key of every record
    #[arg(short, long, conflicts_with = "key_separator")]
    pub key: Option<String>,
    /// What stands before this in a line is the key
    #[arg(short = 'K', long, value_name = "TEXT")]
    pub key_separator: Option<String>,
    /// A header of every record
    #[arg(short = 'H', long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub header: Vec<(String, String)>,
    /// Send to this partition; otherwise the key decides, and without a key any will do
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: Option<i32>,
    /// Send null for an empty value: it deletes its key in a compacted topic
    #[arg(long)]
    pub empty_is_null: bool,
    /// How batches are compressed
    #[arg(short = 'z', long, value_name = "CODEC", default_value = "none", value_parser = codec_parser())]
    pub codec: Codec,
    /// Whose word is waited for
    #[arg(long, value_enum, default_value_t = AcksArg::All)]
    pub acks: AcksArg,
    /// Let the broker store twice what had to be sent twice; otherwise (and with --acks all only) it will not
    #[arg(long)]
    pub allow_duplicates: bool,
}

/// Whose word is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AcksArg {
    /// All replicas in sync
    #[value(alias = "-1")]
    All,
    /// The leader alone
    #[value(alias = "1")]
    Leader,
    /// Nobody: what is lost is lost
    #[value(alias = "0")]
    None,
}

/// `forebay consume`.
#[derive(Debug, Args)]
pub struct Consume {
    /// The topics
    #[arg(required = true)]
    pub topics: Vec<String>,
    #[command(flatten)]
    pub connect: Connect,
    /// Where to begin: earliest, latest, an offset, or a time (2026-11-21, 2026-11-21T10:30:00Z, @MILLISECONDS, -15m).
    /// With --group: where nothing was committed [default: earliest]
    #[arg(short, long, value_name = "WHERE", allow_hyphen_values = true, value_parser = begin)]
    pub from: Option<Begin>,
    /// Read as a member of this group, and commit what was written out
    #[arg(short, long)]
    pub group: Option<String>,
    /// Only this partition (can be repeated)
    #[arg(short, long, value_name = "N", conflicts_with = "group", value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: Vec<i32>,
    /// Stop after so many records
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Go on waiting for records at the end, where it would stop otherwise
    #[arg(long)]
    pub follow: bool,
    /// Write a JSON object per line
    #[arg(long, conflicts_with = "key_separator")]
    pub json: bool,
    /// Write the key and this before the value
    #[arg(short = 'K', long, value_name = "TEXT")]
    pub key_separator: Option<String>,
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At the oldest record there is.
    Earliest,
    /// Behind the newest.
    Latest,
    /// At this offset of every partition.
    Offset(i64),
    /// At the first record this old or younger, milliseconds since 1970.
    Time(i64),
}

/// `forebay topic`.
#[derive(Debug, Subcommand)]
pub enum Topic {
    /// Create topics
    Create(TopicCreate),
    /// List topics
    List(TopicList),
    /// Say what partitions and settings topics have
    Describe(TopicDescribe),
    /// Delete topics and all their records
    Delete(TopicDelete),
}

/// `forebay topic create`.
#[derive(Debug, Args)]
pub struct TopicCreate {
    /// The topics
    #[arg(required = true)]
    pub topics: Vec<String>,
    #[command(flatten)]
    pub connect: Connect,
    /// How many partitions [default: the broker's]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub partitions: Option<i32>,
    /// How many copies of each partition [default: the broker's]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..))]
    pub replication_factor: Option<i16>,
    /// A setting of the topic, by Kafka's name, such as retention.ms=3600000
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub config: Vec<(String, String)>,
    /// Succeed where a topic of that name exists
    #[arg(long)]
    pub if_not_exists: bool,
}

/// `forebay topic list`.
#[derive(Debug, Args)]
pub struct TopicList {
    #[command(flatten)]
    pub connect: Connect,
    /// Show the broker's own topics too
    #[arg(long)]
    pub internal: bool,
    /// Write one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `forebay topic describe`.
#[derive(Debug, Args)]
pub struct TopicDescribe {
    /// The topics
    #[arg(required = true)]
    pub topics: Vec<String>,
    #[command(flatten)]
    pub connect: Connect,
    /// Write one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `forebay topic delete`.
#[derive(Debug, Args)]
pub struct TopicDelete {
    /// The topics
    #[arg(required = true)]
    pub topics: Vec<String>,
    #[command(flatten)]
    pub connect: Connect,
    /// Succeed where there is no topic of that name
    #[arg(long)]
    pub if_exists: bool,
}

/// `forebay user`.
#[derive(Debug, Subcommand)]
pub enum User {
    /// Give a user a password, or another one: the first line of standard input, or FOREBAY_PASSWORD
    Add(UserAdd),
    /// Take a user's credentials away
    Remove(UserRemove),
    /// List users
    List(UserList),
}

/// `forebay user add`.
#[derive(Debug, Args)]
pub struct UserAdd {
    /// The user's name
    pub user: String,
    #[command(flatten)]
    pub connect: Connect,
    /// What the user may log in by; PLAIN takes the same credentials
    #[arg(long, value_enum, default_value = "scram-sha-256")]
    pub mechanism: UserMechanism,
    /// How often the password is hashed
    #[arg(long, value_name = "N", default_value = "4096", value_parser = clap::value_parser!(u32).range(4096..=16384))]
    pub iterations: u32,
}

/// `forebay user remove`.
#[derive(Debug, Args)]
pub struct UserRemove {
    /// The user's name
    pub user: String,
    #[command(flatten)]
    pub connect: Connect,
    /// Only the credential for this [default: all]
    #[arg(long, value_enum)]
    pub mechanism: Option<UserMechanism>,
}

/// `forebay user list`.
#[derive(Debug, Args)]
pub struct UserList {
    #[command(flatten)]
    pub connect: Connect,
    /// Write one JSON document
    #[arg(long)]
    pub json: bool,
}

/// What a user may log in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UserMechanism {
    /// SCRAM-SHA-256.
    #[value(name = "scram-sha-256")]
    ScramSha256,
    /// SCRAM-SHA-512.
    #[value(name = "scram-sha-512")]
    ScramSha512,
}

impl From<UserMechanism> for PasswordHash {
    fn from(mechanism: UserMechanism) -> PasswordHash {
        match mechanism {
            UserMechanism::ScramSha256 => PasswordHash::Sha256,
            UserMechanism::ScramSha512 => PasswordHash::Sha512,
        }
    }
}

/// `forebay group`.
#[derive(Debug, Subcommand)]
pub enum Group {
    /// List groups
    List(GroupList),
    /// Say how far behind a group is, in records and in time, and why it falls behind
    Describe(GroupDescribe),
}

/// `forebay group list`.
#[derive(Debug, Args)]
pub struct GroupList {
    #[command(flatten)]
    pub connect: Connect,
    /// Write one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `forebay group describe`.
#[derive(Debug, Args)]
pub struct GroupDescribe {
    /// The group
    pub group: String,
    #[command(flatten)]
    pub connect: Connect,
    /// Look twice, so far apart, to see what moves; most clients commit every five seconds. 0 looks once
    #[arg(short, long, value_name = "DURATION", default_value = "6s", value_parser = time::duration)]
    pub interval: Duration,
    /// Write one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `forebay disk`.
#[derive(Debug, Args)]
pub struct Disk {
    /// The broker's http listener
    #[arg(long, value_name = "HOST:PORT")]
    pub console: String,
    /// How long it may take to answer
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = time::duration)]
    pub timeout: Duration,
    /// Write a JSON object
    #[arg(long)]
    pub json: bool,
}

/// `forebay dump`.
#[derive(Debug, Args)]
pub struct Dump {
    /// Files of a shard (segments, sidecars, checkpoints, manifests ...), or directories of them
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Read every file of a data directory that no broker has open, and say what is not as it was written
    #[arg(long)]
    pub verify: bool,
    /// With --verify: write one JSON document
    #[arg(long, requires = "verify")]
    pub json: bool,
}

/// `forebay completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

/// Reads the command line.
///
/// # Errors
/// How to end: for help, the version, and mistakes, which were then printed.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, ExitCode> {
    let matches = command().try_get_matches_from(args);
    let parsed = matches.and_then(|matches| {
        let mut invocation = Cli::from_arg_matches(&matches)?.command;
        if let (Invocation::Serve(serve), Some(matches)) =
            (&mut invocation, matches.subcommand_matches("serve"))
        {
            serve.settings = settings_of(matches);
        }
        Ok(invocation)
    });
    parsed.map_err(|why| report(&why))
}

/// The whole command line, with a flag for every setting under `serve`.
pub fn command() -> Command {
    Cli::command().mut_subcommand("serve", |serve| serve.args(SETTINGS.iter().map(setting_arg)))
}

fn setting_arg(setting: &'static Setting) -> Arg {
    let arg = Arg::new(setting.key)
        .long(setting.flag())
        .value_name(setting.kind.placeholder)
        .help(format!("{} [default: {}]", summary(setting.doc), setting.default_words()))
        .help_heading("Settings");
    let arg = match setting.kind.many {
        Many::List => arg.action(ArgAction::Append),
        Many::One => arg.action(ArgAction::Set),
    };
    // A switch alone means true; its value, if given, stands behind an equals sign.
    let is_switch = setting.kind.choices == ["true", "false"];
    if is_switch { arg.num_args(0..=1).require_equals(true).default_missing_value("true") } else { arg }
}

fn settings_of(matches: &ArgMatches) -> Vec<(String, String)> {
    let given = |setting: &&Setting| matches.value_source(setting.key) == Some(ValueSource::CommandLine);
    let values = |setting: &'static Setting| {
        let values = matches.get_many::<String>(setting.key).into_iter().flatten();
        values.map(|value| (setting.flag(), value.clone()))
    };
    SETTINGS.iter().filter(given).flat_map(values).collect()
}

/// The first sentence, without its end.
fn summary(doc: &str) -> String {
    let doc = doc.split_whitespace().collect::<Vec<_>>().join(" ");
    doc.split_inclusive(". ").next().unwrap_or_default().trim_end_matches([' ', '.']).into()
}

/// Prints what clap found; of an unknown flag of `serve` always with the nearest that exists.
fn report(why: &clap::Error) -> ExitCode {
    let _ = why.print();
    let unknown = why.kind() == ErrorKind::UnknownArgument;
    let on_serve = std::env::args().nth(1).is_some_and(|word| word == "serve");
    if let (true, true, None, Some(ContextValue::String(flag))) =
        (unknown, on_serve, why.get(ContextKind::SuggestedArg), why.get(ContextKind::InvalidArg))
    {
        eprintln!("\nThe nearest flag there is: --{}", nearest_flag(flag.trim_start_matches('-')));
    }
    if why.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("there is no = in it")?;
    if name.is_empty() {
        return Err("there is no name before =".into());
    }
    Ok((name.into(), value.into()))
}

fn codec_parser() -> impl clap::builder::TypedValueParser<Value = Codec> {
    use clap::builder::{PossibleValuesParser, TypedValueParser};
    PossibleValuesParser::new(Codec::ALL.map(Codec::name))
        .map(|name| Codec::from_name(&name).expect("it is one of the names"))
}

fn begin(text: &str) -> Result<Begin, String> {
    match text {
        "earliest" => return Ok(Begin::Earliest),
        "latest" => return Ok(Begin::Latest),
        _ => {}
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().map(Begin::Offset).map_err(|_| format!("{text} is larger than any offset"));
    }
    time::parse(text, time::now_ms())
        .map(Begin::Time)
        .map_err(|why| format!("it is not earliest, latest or an offset, and {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Invocation {
        parse(line.split(' ').map(OsString::from)).unwrap_or_else(|_| panic!("{line}"))
    }

    fn mistake(line: &str) -> clap::Error {
        let matches = command().try_get_matches_from(line.split(' '));
        matches.and_then(|matches| Cli::from_arg_matches(&matches)).expect_err(line)
    }

    #[test]
    fn the_command_line_holds_together() {
        command().debug_assert();
    }

    #[test]
    fn settings_reach_serve_as_they_were_written() {
        let Invocation::Serve(serve) = parsed(
            "forebay serve --listen kafka=127.0.0.1:1 --listen http=127.0.0.1:2 --allow-anonymous \
             --topic-auto-create=false --config f.toml",
        ) else {
            panic!("not serve")
        };
        let settings: Vec<String> =
            serve.settings.iter().map(|(flag, value)| format!("{flag}={value}")).collect();
        assert_eq!(
            settings,
            [
                "listen=kafka=127.0.0.1:1",
                "listen=http=127.0.0.1:2",
                "allow-anonymous=true",
                "topic-auto-create=false"
            ]
        );
        assert_eq!(serve.config, Some(PathBuf::from("f.toml")));
    }

    #[test]
    fn every_setting_has_a_flag_of_its_own() {
        let command = command();
        let serve = command.find_subcommand("serve").unwrap();
        for setting in SETTINGS {
            let flag = setting.flag();
            assert!(serve.get_arguments().any(|arg| arg.get_long() == Some(&flag)), "{flag}");
        }
    }

    #[test]
    fn an_unknown_flag_is_a_mistake() {
        let why = mistake("forebay serve --datadir x");
        assert_eq!(why.kind(), ErrorKind::UnknownArgument);
        assert!(why.to_string().contains("--data-dir"), "{why}");
    }

    #[test]
    fn reading_begins_where_one_says() {
        for (text, expected) in [
            ("earliest", Begin::Earliest),
            ("latest", Begin::Latest),
            ("42", Begin::Offset(42)),
            ("@1700000000000", Begin::Time(1_700_000_000_000)),
            ("1970-01-02", Begin::Time(86_400_000)),
        ] {
            let Invocation::Consume(consume) = parsed(&format!("forebay consume t --from {text}")) else {
                panic!("not consume")
            };
            assert_eq!(consume.from, Some(expected), "{text}");
        }
        let Invocation::Consume(ago) = parsed("forebay consume t --from -15m") else { panic!("not consume") };
        assert!(matches!(ago.from, Some(Begin::Time(ms)) if ms > 1_700_000_000_000));
        assert_eq!(mistake("forebay consume t --from then").kind(), ErrorKind::ValueValidation);
    }

    #[test]
    fn rules_are_said_in_words() {
        let line =
            "forebay acl add --principal User:a --topic t --topic u --prefixed --operation read --deny";
        let Invocation::Acl(Acl::Add(add)) = parsed(line) else { panic!("not acl add") };
        assert_eq!((add.resources.topic.len(), add.operation, add.host), (2, vec![3], vec!["*".to_owned()]));
        assert!(add.prefixed && add.deny);
        let Invocation::Acl(Acl::List(list)) = parsed("forebay acl list --pattern match --permission allow")
        else {
            panic!("not acl list")
        };
        assert_eq!((list.filters.pattern, list.filters.permission), (2, Some(3)));
    }

    #[test]
    fn what_contradicts_itself_is_a_mistake() {
        for line in [
            "forebay produce t --json --key k",
            "forebay produce t --key k -K :",
            "forebay produce t --partition -1",
            "forebay produce t --codec brotli",
            "forebay produce t --header novalue",
            "forebay consume t --group g --partition 1",
            "forebay consume",
            "forebay consume t --count 0",
            "forebay topic create",
            "forebay group describe g --interval soon",
            "forebay user add",
            "forebay user add alice --iterations 1",
            "forebay user add alice secret",
            "forebay user remove alice --mechanism plain",
            "forebay acl add --topic t --operation read",
            "forebay acl add --principal User:a --topic t",
            "forebay acl add --principal User:a --topic t --operation eat",
            "forebay acl list --pattern like",
            "forebay bench classic --seconds 0",
            "forebay bench classic --one-connection --threads 2",
            "forebay bench produce --records 5 --seconds 5",
            "forebay bench produce --warm -1",
            "forebay bench consume",
            "forebay bench latency --bytes 15",
        ] {
            mistake(line);
        }
    }
}
