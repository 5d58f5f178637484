//! Stories about settings.

use std::path::PathBuf;
use std::time::Duration;

use forebay_model::{FlushClass, limits};

use super::load::Problem;
use super::table::DefaultValue;
use super::value::Value;
use super::*;

const MACHINE: Machine = Machine { cores: 12, memory_bytes: 8 << 30 };

/// Sources written as one would: a file's text, variables, flags.
struct Said {
    dir: tempfile::TempDir,
    sources: Sources,
}

fn nothing() -> Said {
    Said { dir: tempfile::tempdir().unwrap(), sources: Sources::default() }
}

impl Said {
    fn file(mut self, text: &str) -> Said {
        std::fs::write(self.path(), text).unwrap();
        self.sources.file = Some(self.path());
        self
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("forebay.toml")
    }

    fn variable(mut self, name: &str, text: &str) -> Said {
        self.sources.variables.push((name.into(), text.into()));
        self
    }

    fn flag(mut self, name: &str, text: &str) -> Said {
        self.sources.flags.push((name.into(), text.into()));
        self
    }

    fn load(&self) -> Result<Loaded, ConfigError> {
        load(&self.sources, &MACHINE)
    }

    fn config(&self) -> Config {
        self.load().unwrap_or_else(|why| panic!("{why}")).config
    }

    fn origin(&self, key: &str) -> String {
        let loaded = self.load().unwrap();
        let row = loaded.effective.iter().find(|row| row.key == key).unwrap();
        row.origin.to_string().replace(&self.path().display().to_string(), "FILE")
    }

    fn problems(&self) -> Vec<String> {
        let Err(ConfigError { problems }) = self.load() else { panic!("nothing was wrong") };
        let path = self.path().display().to_string();
        problems.iter().map(|problem: &Problem| problem.to_string().replace(&path, "FILE")).collect()
    }

    fn problem(&self) -> String {
        let problems = self.problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.into_iter().next().unwrap()
    }
}

#[test]
fn without_a_word_the_defaults_hold() {
    let config = nothing().config();
    assert_eq!(config.data_dir, PathBuf::from("./forebay-data"));
    assert_eq!(config.listen.text(), "kafka=127.0.0.1:9092");
    assert_eq!(config.shards_sync, 3);
    assert_eq!(config.memory_limit, ByteSize(2 << 30));
    assert_eq!(config.message_bytes_max, ByteSize(16 << 20));
    assert_eq!(config.frame_bytes_max, ByteSize(100 << 20));
    assert_eq!(config.topic_retention, Some(Duration::from_secs(7 * 86_400)));
    assert_eq!(config.topic_retention_bytes, None);
    assert_eq!(config.topic_flush, FlushClass::Sync);
    assert_eq!(config.topic_defaults().retention_ms, Some(604_800_000));
}

#[test]
fn the_defaults_are_possible_on_the_smallest_and_the_largest_machine() {
    for machine in [
        Machine { cores: 1, memory_bytes: 0 },
        Machine { cores: 1, memory_bytes: 512 << 20 },
        Machine { cores: 4096, memory_bytes: 4 << 40 },
    ] {
        assert!(Config::default_on(&machine).shards_sync >= 1);
    }
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let said = nothing().file("# a comment\n[topic]\nretention = \"1d\"\n");
    assert_eq!(said.config().topic_retention, Some(Duration::from_secs(86_400)));
    assert_eq!(said.origin("topic.retention"), "FILE:3");
    let said = said.variable("FOREBAY_TOPIC_RETENTION", "2d");
    assert_eq!(said.config().topic_retention, Some(Duration::from_secs(2 * 86_400)));
    assert_eq!(said.origin("topic.retention"), "FOREBAY_TOPIC_RETENTION");
    let said = said.flag("topic-retention", "unlimited");
    assert_eq!(said.config().topic_retention, None);
    assert_eq!(said.origin("topic.retention"), "--topic-retention");
    assert_eq!(said.origin("topic.flush"), "default");
}

#[test]
fn a_variable_may_name_the_file_and_a_flag_another() {
    let named_by_variable = nothing().file("node_id = 7");
    let path = named_by_variable.path().display().to_string();
    let mut said = nothing().variable("FOREBAY_CONFIG", &path);
    assert_eq!(said.config().node_id.0, 7);
    said = said.file("node_id = 8");
    assert_eq!(said.config().node_id.0, 8);
}

#[test]
fn every_form_of_value_is_taken_from_a_file() {
    let said = nothing().file(
        r#"
        listen = ["kafka=127.0.0.1:0", "http=[::1]:8080"]
        topic.auto_create = false
        topic.partitions = 1_2
        memory.limit = 1073741824
        segment.bytes = "32MiB"
        log = { level = "warn,forebay_shard=debug", format = "json" }
        "#,
    );
    let config = said.config();
    assert_eq!(config.listeners(ListenerKind::Http).count(), 1);
    assert!(!config.topic_auto_create);
    assert_eq!(config.topic_partitions, 12);
    assert_eq!(config.memory_limit, ByteSize(1 << 30));
    assert_eq!(config.segment_bytes, ByteSize(32 << 20));
    assert_eq!(config.log_level.to_string(), "warn,forebay_shard=debug");
    assert_eq!(config.log_format, LogFormat::Json);
}

#[test]
fn a_repeated_flag_makes_a_list_and_replaces_the_lists_below_it() {
    let said = nothing()
        .file("listen = [\"kafka=127.0.0.1:1\"]")
        .flag("listen", "kafka=127.0.0.1:2")
        .flag("listen", "http=127.0.0.1:3");
    assert_eq!(said.config().listen.text(), "kafka=127.0.0.1:2,http=127.0.0.1:3");
}

#[test]
fn asking_for_metrics_does_not_turn_kafka_off() {
    let said = nothing().flag("listen", "http=127.0.0.1:8080");
    assert_eq!(said.config().listen.text(), "kafka=127.0.0.1:9092,http=127.0.0.1:8080");
    assert!(
        said.load().unwrap().print().contains("listen = [\"kafka=127.0.0.1:9092\", \"http=127.0.0.1:8080\"]")
    );
}

#[test]
fn an_unknown_key_names_the_nearest_wherever_it_stands() {
    let said = nothing()
        .file("[topic]\nretentoin = \"1d\"\n")
        .variable("FOREBAY_DATADIR", "/x")
        .variable("PATH", "/bin")
        .flag("listn", "kafka=127.0.0.1:1");
    assert_eq!(
        said.problems(),
        [
            "FILE:2: there is no setting topic.retentoin; the nearest is topic.retention",
            "FOREBAY_DATADIR: there is no such setting; the nearest is FOREBAY_DATA_DIR",
            "--listn: there is no such setting; the nearest is --listen",
        ]
    );
}

#[test]
fn what_an_orchestrator_says_about_a_service_called_forebay_is_passed_over() {
    let said = nothing()
        .variable("FOREBAY_SERVICE_HOST", "10.0.0.1")
        .variable("FOREBAY_SERVICE_PORT_KAFKA", "9092")
        .variable("FOREBAY_PORT", "tcp://10.0.0.1:9092")
        .variable("FOREBAY_PORT_9092_TCP_ADDR", "10.0.0.1");
    said.config();
    assert!(nothing().variable("FOREBAY_PORT", "9093").problem().contains("there is no such setting"));
}

#[test]
fn a_value_that_cannot_be_is_refused_with_where_and_why() {
    for (text, expected) in [
        ("memory.limit = \"1XB\"", "FILE:1: memory.limit is \"1XB\", which is not a size such as"),
        ("\ntopic.retention = 30", "FILE:2: topic.retention is \"30\", which is not a duration"),
        ("shards.sync = 0", "FILE:1: shards.sync is 0; it can be from 1 to 256"),
        ("message.bytes_max = \"129MiB\"", "message.bytes_max is 129MiB; it can be from 1KiB to 128MiB"),
        ("topic.flush = \"never\"", "topic.flush is \"never\"; it can be sync or async"),
        ("topic.partitions = 1.5", "topic.partitions cannot be a float"),
        ("listen = [1]", "listen is a list of strings"),
        ("topic = 1", "there is no setting topic; the nearest is topic."),
        ("shards.sync = 1\nshards.sync = 2", "FILE:2: is not TOML: duplicate key"),
        ("x = [", "FILE:1: is not TOML"),
    ] {
        let problem = nothing().file(text).problem();
        assert!(problem.contains(expected), "{text}: {problem}");
    }
    let mut missing = nothing();
    missing.sources.file = Some(missing.path());
    assert!(missing.problem().starts_with("FILE: cannot be read"));
}

#[test]
fn a_listener_that_others_can_reach_needs_a_word() {
    let open = nothing().flag("listen", "kafka=10.0.0.1:9092");
    assert!(open.problem().contains("--allow-anonymous"));
    assert!(open.flag("allow-anonymous", "true").config().allow_anonymous);
    assert!(nothing().flag("listen", "http=10.0.0.1:80").problem().contains("--allow-anonymous"));
}

#[test]
fn a_listener_everywhere_needs_an_address_to_tell_clients() {
    let everywhere = nothing().flag("listen", "kafka=0.0.0.0:9092").flag("allow-anonymous", "true");
    assert!(everywhere.problem().contains("--advertise kafka=HOST:9092"));
    let config = everywhere.flag("advertise", "kafka=broker.example.org:9092").config();
    let told: Vec<_> =
        config.listeners(ListenerKind::Kafka).map(|(_, told)| told.unwrap().to_string()).collect();
    assert_eq!(told, ["broker.example.org:9092"]);
}

#[test]
fn a_listener_at_which_clients_log_in_may_be_reached_by_others() {
    let open = nothing().flag("listen", "kafka+sasl=10.0.0.1:9093");
    let config = open.config();
    assert!(config.listen[0].sasl);
    assert_eq!(config.sasl_mechanisms.text(), "SCRAM-SHA-256,SCRAM-SHA-512");
    assert!(open.flag("sasl-mechanisms", "PLAIN").problem().contains("cross the network"));
    let here = nothing().flag("listen", "kafka+sasl=127.0.0.1:9093").flag("sasl-mechanisms", "PLAIN");
    assert_eq!(here.config().sasl_mechanisms.text(), "PLAIN");
    let encrypted = nothing()
        .flag("listen", "kafka+tls+sasl=10.0.0.1:9093")
        .flag("sasl-mechanisms", "PLAIN")
        .flag("tls-certificate", "a.pem")
        .flag("tls-key", "b.pem");
    assert_eq!(encrypted.config().tls_key.text(), "b.pem");
    let nothing_left = nothing().flag("listen", "kafka+sasl=127.0.0.1:9093").flag("sasl-mechanisms", "");
    assert!(nothing_left.problem().contains("nobody could log in"));
}

#[test]
fn encryption_needs_files_and_may_say_who_a_client_is() {
    let encrypted = nothing().flag("listen", "kafka+tls=127.0.0.1:9093");
    assert!(encrypted.problem().contains("tls.certificate names no file"));
    let encrypted = encrypted.flag("tls-certificate", "a.pem");
    assert!(encrypted.problem().contains("tls.key names no file"));
    let encrypted = encrypted.flag("tls-key", "b.pem");
    assert!(encrypted.config().listen[0].tls);
    let asked = encrypted.flag("tls-client-auth", "required");
    assert!(asked.problem().contains("tls.client_ca"));
    let asked = asked.flag("tls-client-ca", "c.pem").flag("listen", "kafka+tls=10.0.0.1:9093");
    assert_eq!(asked.config().listen.len(), 2);
    let maybe = nothing()
        .flag("listen", "kafka+tls=10.0.0.1:9093")
        .flag("tls-certificate", "a.pem")
        .flag("tls-key", "b.pem");
    assert!(maybe.problem().contains("--allow-anonymous"));
}

#[test]
fn every_listener_has_its_own_address_to_tell_clients() {
    let config = nothing()
        .flag("listen", "kafka=127.0.0.1:9092")
        .flag("listen", "kafka+sasl=10.0.0.1:9093")
        .flag("listen", "kafka+sasl=10.0.0.2:9094")
        .flag("advertise", "kafka+sasl=a:1")
        .flag("advertise", "kafka+sasl=b:2")
        .flag("advertise", "kafka=c:3")
        .config();
    let told: Vec<_> =
        config.listeners(ListenerKind::Kafka).map(|(_, told)| told.unwrap().to_string()).collect();
    assert_eq!(told, ["c:3", "a:1", "b:2"]);
    let other = nothing().flag("advertise", "kafka+sasl=a:1");
    assert!(other.problem().contains("1 addresses for kafka+sasl, and there are 0 listeners"));
    let same_port = nothing()
        .flag("listen", "kafka+sasl=10.0.0.1:9093")
        .flag("listen", "kafka+sasl=10.0.0.2:9093")
        .flag("advertise", "kafka+sasl=a:1");
    assert!(same_port.problem().contains("two listeners at port 9093"));
}

#[test]
fn what_is_said_about_access_is_not_ignored() {
    let config =
        nothing().flag("authorization", "acl").flag("super-users", "User:CN=a,O=b,User:ANONYMOUS").config();
    let named: Vec<_> = config.super_users.iter().map(ToString::to_string).collect();
    assert_eq!(named, ["User:CN=a,O=b", "User:ANONYMOUS"]);
    assert!(!config.allow_everyone_if_no_acl_found);
    assert!(nothing().flag("super-users", "User:a").problem().contains("authorization is none"));
    let free = nothing().flag("allow-everyone-if-no-acl-found", "true");
    assert!(free.problem().contains("authorization is none"));
    assert_eq!(free.flag("authorization", "acl").config().authorization, AccessControl::Acl);
}

#[test]
fn an_advertised_address_belongs_to_a_listener() {
    let two = nothing().flag("advertise", "kafka=a:1").flag("advertise", "kafka=b:2");
    assert!(two.problem().contains("there are 1 listeners"));
    assert!(nothing().flag("advertise", "http=a:1").problem().contains("only Kafka"));
    assert!(nothing().flag("advertise", "kafka=0.0.0.0:1").problem().contains("no client can connect"));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (text, part) in [
        ("listen = [\"kafka=127.0.0.1:1\", \"http=127.0.0.1:1\"]", "twice"),
        ("message.bytes_max = \"128MiB\"\nmemory.limit = \"256MiB\"", "memory.limit would have to be 512MiB"),
        ("frame_bytes_max = \"1MiB\"", "needs a frame of"),
        ("frame_bytes_max = \"1GiB\"\nmemory.limit = \"512MiB\"", "more than memory.limit"),
        ("group.session_timeout_min = \"1h\"", "more than group.session_timeout_max"),
    ] {
        let problem = nothing().file(text).problem();
        assert!(problem.contains(part), "{text}: {problem}");
    }
}

#[test]
fn a_frame_has_room_for_the_largest_message_by_default() {
    let config = nothing().flag("message-bytes-max", "128MiB").config();
    assert_eq!(config.frame_bytes_max, ByteSize(129 << 20));
    let small = nothing().flag("memory-limit", "128MiB").config();
    assert_eq!(small.frame_bytes_max, ByteSize(64 << 20));
}

#[test]
fn what_is_printed_makes_the_same_settings_again() {
    let said = nothing()
        .file("data_dir = \"a \\\"strange\\\" place\"\ndisk.reserve = \"7%\"")
        .variable("FOREBAY_LOG_LEVEL", "debug,forebay_shard=trace")
        .flag("listen", "kafka=[::1]:0")
        .flag("topic-retention", "unlimited");
    let again = nothing().file(&said.load().unwrap().print());
    assert_eq!(again.config(), said.config());
}

#[test]
fn the_printed_settings_say_where_each_came_from() {
    let said = nothing()
        .file("shards.sync = 2")
        .variable("FOREBAY_TOPIC_FLUSH", "async")
        .flag("memory-limit", "1GiB");
    let page = said.load().unwrap().print().replace(&said.path().display().to_string(), "FILE");
    let golden = include_str!("print_config.golden");
    renew_or_compare(&golden_path("server/src/config/print_config.golden"), golden, &page);
}

#[test]
fn the_manual_says_what_the_code_does() {
    let path = golden_path("docs/operations/configuration.md");
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    renew_or_compare(&path, &page, &reference());
}

fn golden_path(from_root: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(from_root)
}

fn renew_or_compare(path: &std::path::Path, golden: &str, page: &str) {
    if std::env::var_os("RENEW").is_some() {
        std::fs::write(path, page).unwrap();
        return;
    }
    assert!(golden == page, "{} is not what the code says; renew it with RENEW=1", path.display());
}

#[test]
fn every_row_of_the_table_holds_together() {
    let mut flags: Vec<String> = SETTINGS.iter().map(Setting::flag).collect();
    let mut variables: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
    for names in [&mut flags, &mut variables] {
        names.sort();
        names.dedup();
        assert_eq!(names.len(), SETTINGS.len(), "two settings share a name");
    }
    for setting in SETTINGS {
        assert!(setting.doc.trim_end().ends_with('.'), "{}: the doc is not a sentence", setting.key);
        let table = format!("{}.", setting.key);
        assert!(
            !SETTINGS.iter().any(|other| other.key.starts_with(&table)),
            "{} is also a table",
            setting.key
        );
        if let DefaultValue::Computed { rule, .. } = setting.default {
            assert!(!rule.ends_with('.'), "{}: the rule is a phrase", setting.key);
        }
    }
}

#[test]
fn the_bounds_are_those_of_the_model() {
    let most = |key: &str| SETTINGS.iter().find(|setting| setting.key == key).unwrap().bounds.unwrap().1;
    assert_eq!(ByteSize::parse(most("message.bytes_max")).unwrap().0, limits::MESSAGE_BYTES_CEILING as u64);
    assert_eq!(ByteSize::parse(most("segment.bytes")).unwrap().0, limits::SEGMENT_BYTES_MAX);
    assert_eq!(u32::parse(most("topic.partitions")).unwrap(), limits::PARTITIONS_PER_TOPIC_MAX);
    assert_eq!(nothing().config().message_bytes_max.0, limits::MESSAGE_BYTES_DEFAULT as u64);
}
