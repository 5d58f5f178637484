//! What scripts rely on: exit codes, and what goes to which output.

use std::io::Read;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

fn forebay(line: &str) -> Output {
    command(line).output().unwrap()
}

fn command(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
    command.args(line.split_whitespace()).stdin(Stdio::null());
    command
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it ended by itself")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An address where nobody listens.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn a_command_line_that_makes_no_sense_ends_with_2_and_names_the_nearest() {
    let unknown = forebay("serve --datadir /tmp/x");
    assert_eq!(code(&unknown), 2);
    assert!(stderr(&unknown).contains("--data-dir"), "{}", stderr(&unknown));
    let far_off = forebay("serve --zzz");
    assert!(stderr(&far_off).contains("The nearest flag there is: --"), "{}", stderr(&far_off));
    assert_eq!(code(&forebay("produce")), 2);
    assert_eq!(code(&forebay("topic list --broker nonsense")), 2);
    assert_eq!(code(&forebay("--help")), 0);
    assert_eq!(code(&forebay("--version")), 0);
}

#[test]
fn settings_that_make_no_sense_end_with_2_before_anything_is_started() {
    let output = command("serve --listen kafka=10.1.2.3:9092").env("FOREBAY_DATADIR", "/x").output().unwrap();
    assert_eq!(code(&output), 2);
    let said = stderr(&output);
    assert!(
        said.contains("FOREBAY_DATADIR: there is no such setting; the nearest is FOREBAY_DATA_DIR"),
        "{said}"
    );
    let open = forebay("serve --listen kafka=10.1.2.3:9092");
    assert!(stderr(&open).contains("--allow-anonymous"), "{}", stderr(&open));
}

#[test]
fn the_effective_settings_are_printed_as_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("forebay.toml");
    std::fs::write(&file, "[topic]\npartitions = 3\n").unwrap();
    let line = format!("serve --print-config --config {} --memory-limit 1GiB", file.display());
    let output = command(&line).env("FOREBAY_TOPIC_FLUSH", "async").output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let page = String::from_utf8(output.stdout).unwrap();
    for (key, value, origin) in [
        ("topic.partitions", "3", format!("{}:2", file.display())),
        ("topic.flush", "\"async\"", "FOREBAY_TOPIC_FLUSH".into()),
        ("memory.limit", "\"1GiB\"", "--memory-limit".into()),
        ("node_id", "1", "default".into()),
    ] {
        let found = page.lines().any(|line| {
            line.starts_with(&format!("{key} = {value}")) && line.ends_with(&format!("# {origin}"))
        });
        assert!(found, "{key} in\n{page}");
    }
}

#[test]
fn nobody_at_the_address_ends_with_3() {
    for line in [
        "topic list",
        "produce t",
        "consume t",
        "group describe g",
        "bench classic",
        "bench consume --topic t",
    ] {
        let output = forebay(&format!("{line} --broker {}", nobody()));
        assert_eq!(code(&output), 3, "{line}");
        assert!(stderr(&output).contains("cannot connect"), "{}", stderr(&output));
        assert!(output.stdout.is_empty(), "{line}");
    }
}

#[test]
fn a_broker_that_is_silent_ends_with_4() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = forebay(&format!("topic list --timeout 200ms --broker {}", silent.local_addr().unwrap()));
    assert_eq!(code(&output), 4, "{}", stderr(&output));
}

#[test]
fn a_broker_that_speaks_something_else_ends_with_1() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"SSH-2.0-OpenSSH_9.2p1\r\n").unwrap();
        let _ = stream.read(&mut [0; 64]);
    });
    let output = forebay(&format!("topic list --broker {address}"));
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains("makes no sense"), "{}", stderr(&output));
    answering.join().unwrap();
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_with_130() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let line = format!("topic list --timeout 60s --broker {}", silent.local_addr().unwrap());
    let mut child = command(&line).stderr(Stdio::piped()).spawn().unwrap();
    // It has asked its question once we see it: from then on it waits.
    let (mut stream, _) = silent.accept().unwrap();
    let mut first = [0; 4];
    stream.read_exact(&mut first).unwrap();
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
