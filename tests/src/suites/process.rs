//! The process as its operator sees it: what it refuses, how it stops, what it says.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::broker::{Broker, Kind, wait_for_exit, without_our_variables};
use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::driver;
use crate::ensure;
use crate::port;
use crate::runtime::Runtime;
use crate::suites::edges::talk::{Connection, Words};
use crate::wire;

/// The cases about the process itself.
pub fn suite() -> Suite {
    Suite {
        name: "process",
        needs: &[Runtime::Kcat],
        broker: BrokerUse::OwnForebay,
        cases: vec![
            Case::new("says-what-it-is-at-its-start", 20, first_screen),
            Case::new("the-screen-after-a-crash-is-true", 60, screen_after_a_crash),
            Case::new("who-finds-the-port-open-is-served", 60, first_to_come),
            Case::new("a-second-process-is-refused", 60, second_process),
            Case::new("an-open-listener-is-refused", 60, open_listener),
            Case::new("sigint-drains-and-exits-0", 60, interrupted),
            Case::new("a-second-sigint-ends-it-at-once", 120, interrupted_twice),
            Case::new("announced-frames-take-no-memory", 60, announced_frames),
            Case::new("readers-that-read-nothing-take-no-memory", 180, slow_readers),
        ],
    }
}

fn first_screen(context: &mut Context) -> Outcome {
    let broker = Broker::start(context.kind)?;
    let data_dir = broker.data_dir().display().to_string();
    // It answers a moment before it has said so.
    for expected in [broker.address().to_string(), data_dir] {
        let shown = context.wait_until("the first screen is there", || broker.log().contains(&expected));
        ensure!(shown.is_ok(), "the first screen does not say {expected}:\n{}", broker.log());
    }
    Ok(())
}

/// After a kill -9 the screen counts what was replayed, and when it says so, every shard serves.
fn screen_after_a_crash(context: &mut Context) -> Outcome {
    const BATCHES: u64 = 40;
    let console = port::free();
    let listen = format!("http=127.0.0.1:{console}");
    // A disk with little room left is not ready either, and that is not what is asked here.
    let flags = ["--listen", &listen, "--disk-reserve", "1MiB", "--disk-slow-at", "100%"];
    let mut broker = Broker::start_with(context.kind, &flags, &[])?;
    let address = broker.address().to_string();
    for batch in 0..BATCHES {
        let mut kcat = Command::new("kcat");
        kcat.args(["-b", &address, "-t", "replayed", "-p", "0", "-P"]);
        driver::output(context, &mut kcat, format!("{batch}\n").as_bytes())?;
    }
    broker.kill9()?;
    let before = broker.log().len();
    broker.start_again()?;
    let screen = || broker.log().get(before..).unwrap_or_default().to_owned();
    context.wait_until("the screen is there", || screen().contains("is ready"))?;
    let ready = get(console, "/readyz")?;
    ensure!(ready.starts_with("HTTP/1.1 200"), "it said that it is ready, and was not:\n{ready}");
    context.wait_until("the screen is whole", || screen().contains("Ctrl-C"))?;
    let screen = screen();
    let words: Vec<&str> = screen.split_whitespace().collect();
    let at = words.windows(4).find(|at| at[1..] == ["log", "entries", "replayed,"]);
    let replayed = at.and_then(|at| at[0].parse::<u64>().ok());
    ensure!(replayed.is_some_and(|n| n >= BATCHES), "{BATCHES} confirmed batches came back:\n{screen}");
    Ok(())
}

/// After a kill -9 the first client that gets through is served: no listener is open before the shards are led.
fn first_to_come(context: &mut Context) -> Outcome {
    const STARTS: u32 = 10;
    let mut broker = Broker::start(context.kind)?;
    let address = broker.address();
    for start in 0..STARTS {
        let mut kcat = Command::new("kcat");
        kcat.args(["-b", &address.to_string(), "-t", "asked", "-p", "0", "-P"]);
        driver::output(context, &mut kcat, format!("{start}\n").as_bytes())?;
        broker.kill9()?;
        let first = std::thread::spawn(move || end_of("asked", address));
        broker.start_again()?;
        let (error, end) = first.join().map_err(|_| Failure::new("the first client panicked"))??;
        ensure!(
            (error, end) == (0, i64::from(start) + 1),
            "start {start}: the first answer has error {error} and the end {end}"
        );
    }
    Ok(())
}

/// Error code and end offset of a topic's partition 0, from the first connection that is taken.
fn end_of(topic: &str, address: SocketAddr) -> Result<(i16, i64), Failure> {
    const LIST_OFFSETS: i16 = 2;
    let until = Instant::now() + Duration::from_secs(20);
    let mut connection = loop {
        match Connection::open(address) {
            Ok(connection) => break connection,
            Err(why) if Instant::now() > until => return Err(why),
            Err(_) => std::thread::sleep(Duration::from_micros(200)),
        }
    };
    let partition = Words::new().i32(1).i32(0).i64(-1);
    let topics = Words::new().i32(-1).i32(1).text(topic);
    let body = Words([topics.0, partition.0].concat());
    let mut answer = connection.ask(LIST_OFFSETS, 1, body)?;
    let (topics, _, partitions, _) = (answer.i32()?, answer.text()?, answer.i32()?, answer.i32()?);
    ensure!((topics, partitions) == (1, 1), "{topics} topics and {partitions} partitions were answered");
    let (error, _, offset) = (answer.i16()?, answer.i64()?, answer.i64()?);
    Ok((error, offset))
}

/// The whole answer to a GET.
fn get(port: u16, path: &str) -> Result<String, Failure> {
    use std::io::{Read, Write};
    let mut stream = wire::connect(SocketAddr::from(([127, 0, 0, 1], port)), Duration::from_secs(5))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// `forebay serve` with these arguments, expected to end by itself. Its exit code and all it said.
fn refused(context: &Context, args: &[&str]) -> Result<(Option<i32>, String), Failure> {
    let Kind::Forebay { binary } = context.kind else { unreachable!("only Forebay runs this suite") };
    let mut command = Command::new(binary);
    without_our_variables(&mut command);
    command.arg("serve").args(args).current_dir(&context.dir).stdin(Stdio::null());
    let file = context.dir.join("said");
    let out = std::fs::File::create(&file)?;
    let mut child = command.stdout(out.try_clone()?).stderr(out).spawn()?;
    let status = wait_for_exit(&mut child, Duration::from_secs(20));
    let said = std::fs::read_to_string(&file)?;
    match status {
        Ok(status) => Ok((status.code(), said)),
        Err(_) => Err(Failure::new(format!("it was not refused, it runs:\n{said}"))),
    }
}

fn second_process(context: &mut Context) -> Outcome {
    let broker = Broker::start(context.kind)?;
    let data_dir = broker.data_dir().display().to_string();
    let listen = format!("kafka=127.0.0.1:{}", port::free());
    let (code, said) = refused(context, &["--data-dir", &data_dir, "--listen", &listen])?;
    ensure!(code.is_some_and(|c| c != 0), "the second process ended with {code:?}:\n{said}");
    ensure!(said.contains(&data_dir), "it does not name the folder:\n{said}");
    let mut stream = wire::connect(broker.address(), Duration::from_secs(5))?;
    wire::exchange(&mut stream, 1)?;
    Ok(())
}

fn open_listener(context: &mut Context) -> Outcome {
    let port = port::free();
    let listen = format!("kafka=0.0.0.0:{port}");
    let data_dir = context.dir.join("data").display().to_string();
    let (code, said) = refused(context, &["--data-dir", &data_dir, "--listen", &listen])?;
    ensure!(code.is_some_and(|c| c != 0), "it ended with {code:?}:\n{said}");
    ensure!(
        said.contains("allow-anonymous") || said.contains("allow_anonymous"),
        "no way out is named:\n{said}"
    );
    let Kind::Forebay { binary } = context.kind else { unreachable!("only Forebay runs this suite") };
    let mut command = Command::new(binary);
    without_our_variables(&mut command);
    let mut child = command
        .args(["serve", "--allow-anonymous", "--data-dir", &data_dir, "--listen", &listen])
        .args(["--advertise", &format!("kafka=127.0.0.1:{port}")])
        .current_dir(&context.dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let answered = context.wait_until("the allowed listener answers", || {
        wire::answers(SocketAddr::from(([127, 0, 0, 1], port)))
    });
    child.kill()?;
    child.wait()?;
    answered
}

/// SIGINT while a client is connected and another has just been confirmed: exit code 0, in good time, and all is
/// there at the next start.
fn interrupted(context: &mut Context) -> Outcome {
    let mut broker = Broker::start(context.kind)?;
    let address = broker.address().to_string();
    let lines: String = (0..1_000).map(|i| format!("{i}\n")).collect();
    let kcat = |args: &[&str]| {
        let mut command = Command::new("kcat");
        command.args(["-b", &address, "-t", "drained", "-p", "0"]).args(args);
        command
    };
    driver::output(context, &mut kcat(&["-P"]), lines.as_bytes())?;
    let idle = wire::connect(broker.address(), Duration::from_secs(5))?;
    let start = Instant::now();
    let status = broker.interrupt()?;
    ensure!(status.code() == Some(0), "it ended with {status}\n{}", broker.log_tail());
    context.remarks.push(format!("stopped in {} ms", start.elapsed().as_millis()));
    drop(idle);
    broker.start_again()?;
    let back = driver::output(context, &mut kcat(&["-C", "-q", "-e", "-o", "beginning"]), b"")?;
    ensure!(back.out == lines.as_bytes(), "{} bytes came back of {}", back.out.len(), lines.len());
    Ok(())
}

/// A client that asked for much and does not read it keeps the drain from its end; a second SIGINT does not wait for it.
fn interrupted_twice(context: &mut Context) -> Outcome {
    /// An answer that has as much, and there are several, does not fit between two sockets that nobody reads from.
    const ASKED_BYTES: i32 = 4 << 20;
    const FETCHES: usize = 15;
    const RECORD_BYTES: usize = 900_000;
    /// Far below what an open drain takes, and far above what ending a process takes.
    const AT_ONCE: Duration = Duration::from_secs(5);
    let mut broker = Broker::start_with(context.kind, &["--shutdown-drain-max", "10m"], &[])?;
    let address = broker.address().to_string();
    let mut record = vec![b'x'; RECORD_BYTES];
    record.push(b'\n');
    let records = record.repeat(ASKED_BYTES as usize / RECORD_BYTES + 1);
    let mut kcat = Command::new("kcat");
    kcat.args(["-b", &address, "-t", "unread", "-p", "0", "-P"]);
    driver::output(context, &mut kcat, &records)?;

    let mut client = Connection::open(broker.address())?;
    for _ in 0..FETCHES {
        client.send(1, 4, large_fetch("unread", ASKED_BYTES))?;
    }
    let coming = client.begin_to_receive()?;
    ensure!(coming > ASKED_BYTES as usize / 2, "the answer has {coming} bytes only");

    broker.signal(Signal::INT)?;
    context.wait_until("it says what a second one does", || {
        broker.log().contains("Ctrl-C again ends at once")
    })?;
    context.wait_until("it listens no more", || !wire::answers(broker.address()))?;
    let start = Instant::now();
    let status = broker.interrupt()?;
    let took = start.elapsed();
    ensure!(status.code() == Some(130), "it ended with {status}\n{}", broker.log_tail());
    ensure!(took < AT_ONCE, "it took {} ms to end", took.as_millis());
    drop(client);

    broker.start_again()?;
    let mut kcat = Command::new("kcat");
    kcat.args(["-b", &address, "-t", "unread", "-p", "0", "-C", "-q", "-e", "-o", "beginning"]);
    let back = driver::output(context, &mut kcat, b"")?;
    ensure!(back.out == records, "{} bytes came back of {}", back.out.len(), records.len());
    Ok(())
}

/// Frames of 14 MiB that are announced and never sent must not be allocated: memory follows what has come.
fn announced_frames(context: &mut Context) -> Outcome {
    const ANNOUNCED: u32 = 14 << 20;
    const CONNECTIONS: usize = 200;
    const GROWTH_MIB_MAX: u64 = 64;
    let broker = Broker::start(context.kind)?;
    let before = resident_mib(&broker)?;
    let mut waiting = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = wire::connect(broker.address(), Duration::from_secs(5))?;
        use std::io::Write;
        stream.write_all(&[&ANNOUNCED.to_be_bytes()[..], &[0, 0, 0, 9, 0, 0, 0, 1]].concat())?;
        waiting.push(stream);
    }
    // Answered after all of them were read, or at least taken note of.
    let mut other = wire::connect(broker.address(), Duration::from_secs(5))?;
    wire::exchange(&mut other, 1)?;
    let grown = resident_mib(&broker)?.saturating_sub(before);
    ensure!(grown < GROWTH_MIB_MAX, "{CONNECTIONS} announced frames took {grown} MiB");
    context.remarks.push(format!("{before} MiB resident, {grown} MiB more"));
    Ok(())
}

/// Fifty connections ask for far more than fits into memory and read none of it; others write and read meanwhile, and get on.
fn slow_readers(context: &mut Context) -> Outcome {
    const READERS: usize = 50;
    const FETCHES: usize = 20;
    const ASKED_BYTES: i32 = 4 << 20;
    const RECORD_BYTES: usize = 900_000;
    const ROUNDS: usize = 20;
    /// Less than one answer for each of them has.
    const RESIDENT_MIB_MAX: u64 = 128;
    let broker = Broker::start(context.kind)?;
    let address = broker.address().to_string();
    let kcat = |topic: &str, words: &[&str]| {
        let mut command = Command::new("kcat");
        command.args(["-b", &address, "-t", topic, "-p", "0"]).args(words);
        command
    };
    let mut record = vec![b'x'; RECORD_BYTES];
    record.push(b'\n');
    let records = record.repeat(ASKED_BYTES as usize / RECORD_BYTES + 1);
    driver::output(context, &mut kcat("unread", &["-P"]), &records)?;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut reader = Connection::open(broker.address())?;
        for _ in 0..FETCHES {
            reader.send(1, 4, large_fetch("unread", ASKED_BYTES))?;
        }
        readers.push(reader);
    }
    // All of them are being served: what is asked for behind this stands in line already.
    for reader in &mut readers {
        reader.begin_to_receive()?;
    }
    let (mut written, mut most) = (String::new(), 0);
    for round in 0..ROUNDS {
        let line = format!("round {round}\n");
        driver::output(context, &mut kcat("used", &["-P"]), line.as_bytes())?;
        written += &line;
        let read = ["-C", "-q", "-e", "-o", "beginning"];
        let back = driver::output(context, &mut kcat("used", &read), b"")?;
        ensure!(back.out == written.as_bytes(), "came back: {:?}", String::from_utf8_lossy(&back.out));
        most = resident_mib(&broker)?.max(most);
        ensure!(most < RESIDENT_MIB_MAX, "{most} MiB are resident");
    }
    context.remarks.push(format!("{most} MiB resident at most"));
    drop(readers);
    // Who begins to read is served: nothing of it is held for those who are gone.
    let read = ["-C", "-q", "-e", "-o", "beginning"];
    let back = driver::output(context, &mut kcat("unread", &read), b"")?;
    ensure!(back.out == records, "{} bytes came back of {}", back.out.len(), records.len());
    Ok(())
}

/// A Fetch of so much from the beginning of a topic's first partition, in version 4.
fn large_fetch(topic: &str, bytes: i32) -> Words {
    let (replica, wait_ms, min_bytes, isolation) = (-1, 1_000, 1, 0);
    let fetch = Words::new().i32(replica).i32(wait_ms).i32(min_bytes).i32(bytes).i8(isolation);
    fetch.i32(1).text(topic).i32(1).i32(0).i64(0).i32(bytes)
}

fn resident_mib(broker: &Broker) -> Result<u64, Failure> {
    let pid = broker.pid().ok_or_else(|| Failure::new("the broker is not running"))?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok())
        .map(|kib| kib / 1024)
        .ok_or_else(|| Failure::new("no VmRSS in the process's status"))
}
