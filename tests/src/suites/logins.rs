//! Logging in: users made by Kafka's Admin, its tools or our own command over a listener that asks nobody, and clients that have to say who
//! they are at others, with and without TLS.
//!
//! What each case does is written here; the drivers in tests/clients/ say it in their library's words.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::broker::{Broker, without_our_variables};
use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::driver::{self, Conversation, Said};
use crate::ensure;
use crate::port;
use crate::runtime::{Runtime, Runtimes, clients};
use crate::suites::clients::{java, python};

/// A case that drivers know by this name, and the seconds it may take.
struct Story {
    name: &'static str,
    limit_s: u64,
}

const fn story(name: &'static str, limit_s: u64) -> Story {
    Story { name, limit_s }
}

/// What every driver tells. There are two users: alice, who has a credential of SHA-256, and bob, who has one of SHA-512.
const STORIES: &[Story] = &[
    // Over TLS both log in by SCRAM, and alice by PLAIN as well: a record there and back. With another password, and as somebody who does
    // not exist, they are told SASL_AUTHENTICATION_FAILED.
    story("login", 120),
    // The same users after kill -9, for a client that was logged in before and for one that comes anew.
    story("crash", 120),
    // The broker wants to see a certificate: who has none is not served, who has one is.
    story("certificate", 90),
    // The broker gets another certificate, signed by somebody else, without a restart: who is connected goes on over its connection, who comes
    // anew gets the new one.
    story("renewed", 90),
];

/// What Java and librdkafka tell beside these: their Admin makes users.
const SCRAM: Story = story("scram", 120);
/// What Java tells: credentials that cannot be, users that are not there, and everything that is told of those that are.
const USERS: Story = story("users", 60);
/// What Java tells: a quota of a user slows down who has logged in as that, and nobody else.
const QUOTA: Story = story("quota-of-a-user", 120);

/// One suite per library, and one for programs.
pub fn suites() -> Vec<Suite> {
    let with = |more: &[&'static Story]| -> Vec<&'static Story> {
        STORIES.iter().chain(more.iter().copied()).collect()
    };
    vec![
        suite(
            "logins-java",
            &[Runtime::Java, Runtime::Openssl],
            with(&[&SCRAM, &USERS, &QUOTA]),
            |runtimes| java(&runtimes.class_path(), "Logins"),
        ),
        suite("logins-confluent", &[Runtime::Python, Runtime::Openssl], with(&[&SCRAM]), |runtimes| {
            python(runtimes, &clients().join("python/logins_confluent.py"))
        }),
        suite("logins-kafka-python", &[Runtime::Python, Runtime::Openssl], with(&[]), |runtimes| {
            python(runtimes, &clients().join("python/logins_kafka_python.py"))
        }),
        suite("logins-aiokafka", &[Runtime::Python, Runtime::Openssl], with(&[]), |runtimes| {
            python(runtimes, &clients().join("python/logins_aiokafka.py"))
        }),
        suite("logins-franz", &[Runtime::Go, Runtime::Openssl], with(&[]), |runtimes| {
            let mut command = Command::new(runtimes.go());
            command.arg("logins");
            command
        }),
        suite("logins-kafkajs", &[Runtime::Node, Runtime::Openssl], with(&[]), |runtimes| {
            let mut command = Command::new("node");
            command.arg(runtimes.node().join("logins.js"));
            command
        }),
        programs(),
    ]
}

fn suite(
    name: &'static str,
    needs: &'static [Runtime],
    stories: Vec<&'static Story>,
    command: fn(&Runtimes) -> Command,
) -> Suite {
    let case = |story: &'static Story| {
        Case::new(story.name, story.limit_s, move |context| {
            let command = command(context.runtimes);
            tell(context, command, story.name)
        })
    };
    let cases = stories.into_iter().map(case).collect();
    Suite { name, needs, broker: BrokerUse::OwnForebay, cases }
}

fn programs() -> Suite {
    let cases = vec![
        Case::new("users-by-kafkas-tools", 90, users_by_tools),
        Case::new("users-by-command-over-crashes", 90, users_by_command),
        Case::new("kcat-logs-in-over-tls", 90, kcat_over_tls),
        Case::new("passwords-are-in-no-file", 90, in_no_file),
        Case::new("nobody-is-served-before", 90, nobody),
        Case::new("our-own-commands-log-in", 90, own_commands),
        Case::new("an-import-logs-in-at-both-ends", 90, import_logs_in),
    ];
    let needs = &[Runtime::Kcat, Runtime::Java, Runtime::Openssl];
    Suite { name: "logins-programs", needs, broker: BrokerUse::OwnForebay, cases }
}

/// A broker with four listeners, and where the three are that ask who somebody is or hide what they say.
struct Guarded {
    broker: Broker,
    sasl: String,
    tls_sasl: String,
    tls: String,
}

fn guarded(context: &Context, client_auth: &str) -> Result<Guarded, Failure> {
    sign(context, "authority", None)?;
    for name in ["broker", "alice"] {
        sign(context, name, Some("authority"))?;
    }
    let [sasl, tls_sasl, tls] = [(); 3].map(|()| format!("127.0.0.1:{}", port::free()));
    let file = |name: &str| context.dir.join(name).display().to_string();
    let listeners =
        [format!("kafka+sasl={sasl}"), format!("kafka+tls+sasl={tls_sasl}"), format!("kafka+tls={tls}")];
    let (certificate, key, ca) = (file("broker.pem"), file("broker.key"), file("authority.pem"));
    let mut words = Vec::new();
    listeners.iter().for_each(|listener| words.extend(["--listen", listener]));
    words.extend(["--sasl-mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"]);
    words.extend(["--tls-certificate", &certificate, "--tls-key", &key]);
    words.extend(["--tls-client-ca", &ca, "--tls-client-auth", client_auth]);
    // What it says of passwords to who looks for a fault is looked at as well.
    words.extend(["--log-level", "debug"]);
    let broker = Broker::start_with(context.kind, &words, &[])?;
    Ok(Guarded { broker, sasl, tls_sasl, tls })
}

impl Guarded {
    /// Has the broker show another certificate, signed by other.pem, from now on.
    fn renew(&self, context: &Context) -> Outcome {
        sign(context, "other", None)?;
        sign(context, "broker", Some("other"))?;
        self.broker.signal(Signal::HUP)?;
        context.wait_until("the broker says so", || self.broker.log().contains("were read again"))
    }

    fn serve(&mut self, context: &mut Context, wish: &str) -> Outcome {
        match wish {
            "kill9" => {
                let recovery = self.broker.crash_and_recover()?;
                context.remarks.push(format!("answered {} ms after its restart", recovery.as_millis()));
                Ok(())
            }
            "renew" => self.renew(context),
            _ => Err(driver::unknown_service(wish)),
        }
    }

    /// No password that a case uses stands in what the broker has said, or in what it keeps.
    fn has_kept_silence(&self) -> Outcome {
        let log = self.broker.log();
        let told = PASSWORDS.into_iter().find(|password| log.contains(password));
        ensure!(told.is_none(), "the broker's log has a password:\n{log}");
        for password in PASSWORDS {
            let kept = files_with(&self.broker.data_dir(), password)?;
            ensure!(kept.is_empty(), "{password:?} is in {kept:?}");
        }
        Ok(())
    }
}

/// What cases log in with, rightly or wrongly.
const PASSWORDS: [&str; 3] = ["a secret", "b secret", "another"];

/// The files below a folder in which this text stands.
fn files_with(dir: &Path, text: &str) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_with(&path, text)?);
            continue;
        }
        match std::fs::read(&path) {
            Ok(bytes) if bytes.windows(text.len()).any(|part| part == text.as_bytes()) => {
                found.push(path.display().to_string());
            }
            // The broker may have done away with it meanwhile.
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(why.into()),
            _ => {}
        }
    }
    Ok(found)
}

/// Makes NAME.pem and NAME.key in the case's folder: an authority, or a certificate for localhost signed by one.
fn sign(context: &Context, name: &str, authority: Option<&str>) -> Outcome {
    let file = |name: String| context.dir.join(name).display().to_string();
    let (key, certificate) = (file(format!("{name}.key")), file(format!("{name}.pem")));
    let subject = format!("/O=Example/CN={name}");
    let mut words =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
            .map(String::from)
            .to_vec();
    words.extend(["-subj".into(), subject, "-keyout".into(), key, "-out".into(), certificate]);
    if let Some(authority) = authority {
        words.extend(["-addext".into(), "basicConstraints=critical,CA:FALSE".into()]);
        words.extend(["-addext".into(), "subjectAltName=DNS:localhost,IP:127.0.0.1".into()]);
        words.extend(["-CA".into(), file(format!("{authority}.pem"))]);
        words.extend(["-CAkey".into(), file(format!("{authority}.key"))]);
    }
    driver::output(context, Command::new("openssl").args(&words), b"").map(|_| ())
}

/// Tells a story of a driver, which finds the listeners in `SASL`, `TLS_SASL` and `TLS`, and certificates in its folder. It may wish
/// for `@kill9` and `@renew`.
fn tell(context: &mut Context, mut command: Command, story: &str) -> Outcome {
    let client_auth = if story == "certificate" { "required" } else { "none" };
    let mut guarded = guarded(context, client_auth)?;
    let at = guarded.broker.address();
    if STORIES.iter().any(|of_all| of_all.name == story) {
        user(context, at, &["add", "alice"], "a secret\n")?;
        user(context, at, &["add", "bob", "--mechanism", "scram-sha-512"], "b secret\n")?;
    }
    command.env("SASL", &guarded.sasl).env("TLS_SASL", &guarded.tls_sasl).env("TLS", &guarded.tls);
    let mut conversation = Conversation::start(context, at, command, &[story])?;
    let outcome = conversation.serve_by(context, |context, wish| guarded.serve(context, wish));
    conversation.conclude(outcome)?;
    guarded.has_kept_silence()
}

/// `forebay user` with these words; what it writes.
fn user(context: &Context, at: SocketAddr, words: &[&str], input: &str) -> Result<String, Failure> {
    let mut command = Command::new(context.binary);
    without_our_variables(&mut command);
    command.arg("user").args(words).arg("--broker").arg(at.to_string());
    let said = driver::output(context, &mut command, input.as_bytes())?;
    Ok(String::from_utf8_lossy(&said.out).into_owned())
}

fn kcat(at: &str, words: &[&str], settings: &[&str]) -> Command {
    let mut command = Command::new("kcat");
    command.args(["-b", at]).args(words).args(["-X", "message.timeout.ms=8000", "-m", "5"]);
    for setting in settings {
        command.args(["-X", setting]);
    }
    command
}

/// alice's settings with this password.
fn alice(password: &str) -> [String; 4] {
    [
        "security.protocol=SASL_PLAINTEXT".into(),
        "sasl.mechanism=SCRAM-SHA-256".into(),
        "sasl.username=alice".into(),
        format!("sasl.password={password}"),
    ]
}

/// What comes of asking for the topics as alice with this password.
fn lists(context: &Context, guarded: &Guarded, password: &str) -> Result<Said, Failure> {
    let settings = alice(password);
    let settings = settings.each_ref().map(String::as_str);
    driver::to_the_end(context, &mut kcat(&guarded.sasl, &["-L"], &settings), b"")
}

fn is_served(context: &Context, guarded: &Guarded, password: &str) -> Outcome {
    let said = lists(context, guarded, password)?;
    ensure!(said.status.success(), "alice is not served: {}", said.err);
    Ok(())
}

fn is_refused(context: &Context, guarded: &Guarded, password: &str) -> Outcome {
    let said = lists(context, guarded, password)?;
    ensure!(!said.status.success(), "a wrong password was taken");
    ensure!(said.err.contains("invalid credentials"), "refused, but not for its password:\n{}", said.err);
    Ok(())
}

/// kafka-configs.sh makes a user, changes the password, and takes the user away.
fn users_by_tools(context: &mut Context) -> Outcome {
    let guarded = guarded(context, "none")?;
    let configs = |context: &Context, words: &[&str]| -> Outcome {
        let mut command = java(&context.runtimes.class_path(), "kafka.admin.ConfigCommand");
        command.args(["--bootstrap-server", &guarded.broker.address().to_string(), "--alter"]);
        command.args(["--entity-type", "users", "--entity-name", "alice"]).args(words);
        driver::output(context, &mut command, b"").map(|_| ())
    };
    configs(context, &["--add-config", "SCRAM-SHA-256=[iterations=8192,password=a secret]"])?;
    is_served(context, &guarded, "a secret")?;
    is_refused(context, &guarded, "another")?;
    let settings = alice("a secret");
    let settings = settings.each_ref().map(String::as_str);
    driver::output(context, &mut kcat(&guarded.sasl, &["-P", "-t", "t"], &settings), b"hello\n")?;
    let read = &["-C", "-t", "t", "-o", "beginning", "-e", "-q"];
    let back = driver::output(context, &mut kcat(&guarded.sasl, read, &settings), b"")?;
    ensure!(back.out == b"hello\n", "came back: {:?}", String::from_utf8_lossy(&back.out));
    let listed = user(context, guarded.broker.address(), &["list"], "")?;
    ensure!(listed.contains("SCRAM-SHA-256") && listed.contains("8192"), "listed: {listed}");
    configs(context, &["--add-config", "SCRAM-SHA-256=[password=another]"])?;
    is_refused(context, &guarded, "a secret")?;
    is_served(context, &guarded, "another")?;
    configs(context, &["--delete-config", "SCRAM-SHA-256"])?;
    is_refused(context, &guarded, "another")?;
    guarded.has_kept_silence()
}

/// `forebay user` makes, lists and removes; what it has said stays so over kill -9.
fn users_by_command(context: &mut Context) -> Outcome {
    let mut guarded = guarded(context, "none")?;
    let at = guarded.broker.address();
    is_refused(context, &guarded, "a secret")?;
    let said = user(context, at, &["add", "alice"], "a secret\n")?;
    ensure!(said == "alice may log in by SCRAM-SHA-256\n", "said: {said}");
    guarded.broker.crash_and_recover()?;
    is_served(context, &guarded, "a secret")?;
    is_refused(context, &guarded, "another")?;
    user(context, at, &["add", "alice"], "another\n")?;
    guarded.broker.crash_and_recover()?;
    is_served(context, &guarded, "another")?;
    is_refused(context, &guarded, "a secret")?;
    user(
        context,
        at,
        &["add", "bob", "--mechanism", "scram-sha-512", "--iterations", "16384"],
        "b secret\n",
    )?;
    let listed = user(context, at, &["list"], "")?;
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    let expected = [["USER", "MECHANISM", "ITERATIONS"], ["alice", "SCRAM-SHA-256", "4096"]];
    ensure!(rows[..2] == expected && rows[2] == ["bob", "SCRAM-SHA-512", "16384"], "listed:\n{listed}");
    let said = user(context, at, &["remove", "alice"], "")?;
    ensure!(said == "removed alice\n", "said: {said}");
    guarded.broker.crash_and_recover()?;
    is_refused(context, &guarded, "another")?;
    let mut gone = Command::new(context.binary);
    without_our_variables(&mut gone);
    gone.args(["user", "remove", "alice", "--broker", &at.to_string()]);
    let said = driver::to_the_end(context, &mut gone, b"")?;
    ensure!(said.status.code() == Some(1) && said.err.contains("no user alice"), "said: {}", said.err);
    guarded.has_kept_silence()
}

/// Every mechanism over TLS: a record there and back, and another password is refused.
fn kcat_over_tls(context: &mut Context) -> Outcome {
    let guarded = guarded(context, "none")?;
    let at = guarded.broker.address();
    user(context, at, &["add", "alice"], "a secret\n")?;
    user(context, at, &["add", "bob", "--mechanism", "scram-sha-512"], "b secret\n")?;
    let trusted = format!("ssl.ca.location={}", context.dir.join("authority.pem").display());
    for (mechanism, name, password) in [
        ("SCRAM-SHA-256", "alice", "a secret"),
        ("SCRAM-SHA-512", "bob", "b secret"),
        ("PLAIN", "alice", "a secret"),
    ] {
        let login = |password: &str| {
            [
                "security.protocol=SASL_SSL".to_string(),
                format!("sasl.mechanism={mechanism}"),
                format!("sasl.username={name}"),
                format!("sasl.password={password}"),
                trusted.clone(),
            ]
        };
        let (right, wrong) = (login(password), login("another"));
        let right = right.each_ref().map(String::as_str);
        let wrong = wrong.each_ref().map(String::as_str);
        let topic = format!("{}{mechanism}", context.prefix);
        let write = ["-P", "-t", &topic];
        driver::output(context, &mut kcat(&guarded.tls_sasl, &write, &right), b"hello\n")?;
        let read = ["-C", "-t", &topic, "-o", "beginning", "-e", "-q"];
        let back = driver::output(context, &mut kcat(&guarded.tls_sasl, &read, &right), b"")?;
        ensure!(back.out == b"hello\n", "{mechanism}: {:?}", String::from_utf8_lossy(&back.out));
        let said = driver::to_the_end(context, &mut kcat(&guarded.tls_sasl, &["-L"], &wrong), b"")?;
        ensure!(!said.status.success(), "{mechanism}: a wrong password was taken");
        // By PLAIN the broker's words are told, by SCRAM the library's own.
        ensure!(said.err.contains("SASL authentication error"), "{mechanism} is refused with:\n{}", said.err);
    }
    guarded.has_kept_silence()
}

/// Passwords that were given by our command and by Kafka's tool, right ones and wrong ones by which somebody has logged in by every
/// mechanism, one that was changed, and all that over crashes: the user is in the files, the password is in none.
fn in_no_file(context: &mut Context) -> Outcome {
    let mut guarded = guarded(context, "none")?;
    let at = guarded.broker.address();
    user(context, at, &["add", "alice"], "another\n")?;
    user(context, at, &["add", "alice"], "a secret\n")?;
    let mut configs = java(&context.runtimes.class_path(), "kafka.admin.ConfigCommand");
    configs.args(["--bootstrap-server", &at.to_string(), "--alter", "--entity-type", "users"]);
    configs.args(["--entity-name", "bob", "--add-config", "SCRAM-SHA-512=[password=b secret]"]);
    driver::output(context, &mut configs, b"")?;
    for _ in 0..2 {
        for (name, mechanism, password) in [
            ("alice", "SCRAM-SHA-256", "a secret"),
            ("alice", "PLAIN", "a secret"),
            ("bob", "SCRAM-SHA-512", "b secret"),
            ("bob", "PLAIN", "b secret"),
        ] {
            for (password, is_right) in [(password, true), ("another", false)] {
                let settings = [
                    "security.protocol=SASL_PLAINTEXT".to_string(),
                    format!("sasl.mechanism={mechanism}"),
                    format!("sasl.username={name}"),
                    format!("sasl.password={password}"),
                ];
                let settings = settings.each_ref().map(String::as_str);
                let said = driver::to_the_end(context, &mut kcat(&guarded.sasl, &["-L"], &settings), b"")?;
                ensure!(said.status.success() == is_right, "{name} by {mechanism}: {}", said.err);
            }
        }
        guarded.broker.crash_and_recover()?;
    }
    ensure!(guarded.broker.log().contains("DEBUG"), "the log says nothing that is meant for a search:\n");
    for name in ["alice", "bob"] {
        let kept = files_with(&guarded.broker.data_dir(), name)?;
        ensure!(!kept.is_empty(), "{name} is in no file: then a password would not be found either");
    }
    guarded.has_kept_silence()
}

/// A client that does not know that it has to log in, and one that does not know of TLS.
fn nobody(context: &mut Context) -> Outcome {
    let guarded = guarded(context, "none")?;
    for at in [&guarded.sasl, &guarded.tls, &guarded.tls_sasl] {
        let said = driver::to_the_end(context, &mut kcat(at, &["-L"], &[]), b"")?;
        ensure!(!said.status.success(), "nobody in particular was served at {at}");
    }
    let trusted = format!("ssl.ca.location={}", context.dir.join("authority.pem").display());
    let encrypted = ["security.protocol=SSL", &trusted];
    let said = driver::to_the_end(context, &mut kcat(&guarded.tls_sasl, &["-L"], &encrypted), b"")?;
    ensure!(!said.status.success(), "who is encrypted and nobody in particular was served");
    driver::output(context, &mut kcat(&guarded.tls, &["-L"], &encrypted), b"").map(|_| ())
}

/// Writes a client's properties into the case's folder; the file's name.
fn properties(context: &Context, name: &str, lines: &[&str]) -> Result<String, Failure> {
    let path = context.dir.join(format!("{name}.properties"));
    std::fs::write(&path, lines.join("\n"))?;
    Ok(path.display().to_string())
}

/// The lines by which somebody logs in over this protocol, and believes this authority.
fn login_lines(
    context: &Context,
    protocol: &str,
    mechanism: &str,
    user: &str,
    password: &str,
) -> [String; 5] {
    let module = match mechanism {
        "PLAIN" => "plain.PlainLoginModule",
        _ => "scram.ScramLoginModule",
    };
    [
        format!("security.protocol={protocol}"),
        format!("sasl.mechanism={mechanism}"),
        format!(
            "sasl.jaas.config=org.apache.kafka.common.security.{module} required \\\n  \
             username=\"{user}\" password=\"{password}\";"
        ),
        "ssl.truststore.type=PEM".into(),
        format!("ssl.truststore.location={}", context.dir.join("authority.pem").display()),
    ]
}

/// One of our own commands with the settings of a file, at one of the listeners.
fn ours(context: &Context, at: &str, config: &str, words: &[&str]) -> Command {
    let mut command = Command::new(context.binary);
    without_our_variables(&mut command);
    command.args(words).args(["--broker", at, "--command-config", config]);
    command
}

/// Every mechanism with and without encryption, a certificate instead of a login, and everything that has to be refused.
fn own_commands(context: &mut Context) -> Outcome {
    let guarded = guarded(context, "requested")?;
    let at = guarded.broker.address();
    user(context, at, &["add", "alice"], "a secret\n")?;
    user(context, at, &["add", "bob", "--mechanism", "scram-sha-512"], "b secret\n")?;
    let mut number = 0;
    let mut config = |protocol: &str, mechanism: &str, user: &str, password: &str| {
        number += 1;
        let lines = login_lines(context, protocol, mechanism, user, password);
        let used = if protocol == "SASL_SSL" { &lines[..] } else { &lines[..3] };
        let used: Vec<&str> = used.iter().map(String::as_str).collect();
        properties(context, &format!("login-{number}"), &used)
    };
    for (mechanism, name, password) in [
        ("SCRAM-SHA-256", "alice", "a secret"),
        ("SCRAM-SHA-512", "bob", "b secret"),
        ("PLAIN", "alice", "a secret"),
    ] {
        let topic = format!("{}{name}-{}", context.prefix, mechanism.to_lowercase());
        let encrypted = config("SASL_SSL", mechanism, name, password)?;
        let plain = config("SASL_PLAINTEXT", mechanism, name, password)?;
        driver::output(
            context,
            &mut ours(context, &guarded.tls_sasl, &encrypted, &["topic", "create", &topic]),
            b"",
        )?;
        driver::output(
            context,
            &mut ours(context, &guarded.sasl, &plain, &["produce", &topic]),
            b"one\ntwo\n",
        )?;
        let read = ["consume", &topic, "--from", "earliest"];
        let said = driver::output(context, &mut ours(context, &guarded.tls_sasl, &encrypted, &read), b"")?;
        let text = String::from_utf8_lossy(&said.out);
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        ensure!(lines == ["one", "two"], "{mechanism}: {lines:?}");
    }
    let wrong = config("SASL_SSL", "SCRAM-SHA-256", "alice", "another")?;
    let said =
        driver::to_the_end(context, &mut ours(context, &guarded.tls_sasl, &wrong, &["topic", "list"]), b"")?;
    ensure!(said.status.code() == Some(1), "it ended with {}", said.status);
    ensure!(said.err.contains("SASL_AUTHENTICATION_FAILED"), "it says {}", said.err);

    // Whose certificate nobody vouches for is not told a password.
    sign(context, "stranger", None)?;
    let lines = login_lines(context, "SASL_SSL", "PLAIN", "alice", "a secret");
    let stranger = format!("ssl.truststore.location={}", context.dir.join("stranger.pem").display());
    let distrusting: Vec<&str> = lines[..4].iter().map(String::as_str).chain([&*stranger]).collect();
    let distrusting = properties(context, "distrusting", &distrusting)?;
    let said = driver::to_the_end(
        context,
        &mut ours(context, &guarded.tls_sasl, &distrusting, &["topic", "list"]),
        b"",
    )?;
    ensure!(
        said.status.code() == Some(1) && said.err.contains("no secure connection"),
        "it says {}",
        said.err
    );

    // A certificate of our own.
    let both = [file(context, "alice.pem")?, file(context, "alice.key")?].concat();
    std::fs::write(context.dir.join("keystore.pem"), both)?;
    let keystore = format!("ssl.keystore.location={}", context.dir.join("keystore.pem").display());
    let shown = ["security.protocol=SSL", &lines[3], &lines[4], "ssl.keystore.type=PEM", &keystore];
    let shown = properties(context, "certificate", &shown)?;
    driver::output(context, &mut ours(context, &guarded.tls, &shown, &["topic", "list"]), b"")?;

    // Without a word about it, one is told what is missing.
    let mut bare = Command::new(context.binary);
    without_our_variables(&mut bare);
    bare.args(["topic", "list", "--broker", &guarded.tls_sasl]);
    let said = driver::to_the_end(context, &mut bare, b"")?;
    ensure!(said.err.contains("--command-config FILE says how"), "it says {}", said.err);
    guarded.has_kept_silence()
}

fn file(context: &Context, name: &str) -> Result<String, Failure> {
    Ok(std::fs::read_to_string(context.dir.join(name))?)
}

/// Between two brokers at which only who logs in over TLS is served.
fn import_logs_in(context: &mut Context) -> Outcome {
    let source = guarded(context, "none")?;
    let target = guarded(context, "none")?;
    // Both show certificates of the second authority: the first was written over.
    let source = restarted(context, source)?;
    for broker in [&source.broker, &target.broker] {
        user(context, broker.address(), &["add", "alice"], "a secret\n")?;
    }
    let lines = login_lines(context, "SASL_SSL", "SCRAM-SHA-256", "alice", "a secret");
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let config = properties(context, "alice", &lines)?;
    let topic = format!("{}moved", context.prefix);
    let create = ["topic", "create", &topic, "--partitions", "1"];
    driver::output(context, &mut ours(context, &source.tls_sasl, &config, &create), b"")?;
    driver::output(
        context,
        &mut ours(context, &source.tls_sasl, &config, &["produce", &topic]),
        b"one\ntwo\n",
    )?;
    let mut check = Command::new(context.binary);
    without_our_variables(&mut check);
    check.args(["check", "kafka", "--from", &source.tls_sasl, "--from-config", &config, "--topics", &topic]);
    driver::output(context, &mut check, b"")?;
    let mut import = Command::new(context.binary);
    without_our_variables(&mut import);
    import.args(["import", "kafka", "--from", &source.tls_sasl, "--from-config", &config]);
    import.args(["--to", &target.tls_sasl, "--to-config", &config, "--topics", &topic]);
    import.args(["--cut-over", "--verify", "--quiet", "100ms"]);
    driver::output(context, &mut import, b"")?;
    let read = ["consume", &topic, "--from", "earliest"];
    let said = driver::output(context, &mut ours(context, &target.tls_sasl, &config, &read), b"")?;
    ensure!(said.out == b"one\ntwo\n", "came over: {:?}", String::from_utf8_lossy(&said.out));
    source.has_kept_silence()?;
    target.has_kept_silence()
}

/// Has the broker read its certificate again.
fn restarted(context: &Context, guarded: Guarded) -> Result<Guarded, Failure> {
    guarded.broker.signal(Signal::HUP)?;
    context.wait_until("the broker says so", || guarded.broker.log().contains("were read again"))?;
    Ok(guarded)
}
