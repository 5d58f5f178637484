//! Stories over real sockets.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_console::{
    Config, Console, DiskState, Lifecycle, Operator, Readiness, ShardReadiness, ShardState, StartError,
};
use forebay_env::metrics::{Kind, MetricsText};
use forebay_model::ShardId;

const PATIENCE: Duration = Duration::from_secs(30);

struct ToyNode {
    readiness: Mutex<Readiness>,
    levels: Mutex<String>,
}

impl ToyNode {
    fn new() -> Arc<ToyNode> {
        let shards = (0..2)
            .map(|n| ShardReadiness { shard: ShardId(n), clock_held: n == 1, state: ShardState::Led })
            .collect();
        let readiness = Readiness { node: Lifecycle::Serving, shards, disk: DiskState::Ok };
        Arc::new(ToyNode { readiness: Mutex::new(readiness), levels: Mutex::new("info".into()) })
    }

    fn change(&self, change: impl FnOnce(&mut Readiness)) {
        change(&mut self.readiness.lock().unwrap());
    }
}

impl Operator for ToyNode {
    fn metrics(&self, out: &mut MetricsText) {
        let mut lag = out.capped_family("forebay_group_lag_records", "Lag.", Kind::Gauge);
        for group in 0..5_000 {
            lag.sample(&[("group", &format!("g{group}"))], 1_u64);
        }
    }

    fn readiness(&self) -> Readiness {
        self.readiness.lock().unwrap().clone()
    }

    fn log_levels(&self) -> String {
        self.levels.lock().unwrap().clone()
    }

    fn set_log_levels(&self, levels: &str) -> Result<(), String> {
        assert!(levels != "panic", "the story wants it");
        if levels.contains("loud") {
            return Err("no level is called 'loud'".into());
        }
        *self.levels.lock().unwrap() = levels.into();
        Ok(())
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

fn start(config: Config, node: &Arc<ToyNode>) -> (Console, SocketAddr) {
    let console = Console::start(config, vec![(Ipv4Addr::LOCALHOST, 0).into()], node.clone()).unwrap();
    let address = console.addresses()[0];
    (console, address)
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// One request on its own connection.
fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let mut socket = connect(address);
    let length = body.len();
    write!(
        socket,
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    read_answer(socket)
}

fn read_answer(mut socket: TcpStream) -> Answer {
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.into() }
}

/// Asserts that the console closes without a word.
fn expect_silent_close(mut socket: TcpStream) {
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
}

#[test]
fn prometheus_gets_its_text_with_the_series_capped() {
    let (_console, address) = start(Config { series_max: 10, ..Config::default() }, &ToyNode::new());
    let answer = ask(address, "GET", "/metrics", "");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    assert_eq!(answer.body.matches("forebay_group_lag_records{").count(), 10);
    assert!(answer.body.contains("\nforebay_series_dropped 4990\n"), "{}", answer.body);
    assert!(answer.body.contains("\nforebay_console_requests_total 1\n"), "{}", answer.body);
}

#[test]
fn a_node_that_serves_is_ready_and_one_that_does_not_says_why() {
    let node = ToyNode::new();
    let (_console, address) = start(Config::default(), &node);
    let ready = ask(address, "GET", "/readyz", "");
    assert_eq!(ready.status, 200);
    let json: serde_json::Value = serde_json::from_str(&ready.body).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "ready": true,
            "node": "serving",
            "shards": [
                {"shard": 0, "clock_held": false, "state": "led"},
                {"shard": 1, "clock_held": true, "state": "led"},
            ],
            "disk": "ok",
        })
    );
    let fenced = ShardState::Fenced { why: "EIO at shard-1/000007.log:4096".into() };
    node.change(|r| r.shards[1].state = fenced);
    let answer = ask(address, "GET", "/readyz", "");
    assert_eq!(answer.status, 503);
    let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((&json["ready"], &json["shards"][1]["state"]), (&false.into(), &"fenced".into()));
    assert_eq!(json["shards"][1]["why"], "EIO at shard-1/000007.log:4096");
    assert_eq!(ask(address, "GET", "/healthz", "").status, 200, "alive all the same");
}

#[test]
fn every_lack_makes_a_node_unready() {
    let node = ToyNode::new();
    let (_console, address) = start(Config::default(), &node);
    let lacks: [fn(&mut Readiness); 5] = [
        |r| r.node = Lifecycle::Recovering,
        |r| r.node = Lifecycle::Draining,
        |r| r.shards[0].state = ShardState::Leaderless,
        |r| r.disk = DiskState::Slowing,
        |r| r.disk = DiskState::Refusing,
    ];
    let good = node.readiness();
    for lack in lacks {
        node.change(lack);
        assert_eq!(ask(address, "GET", "/readyz", "").status, 503, "{:?}", node.readiness());
        node.change(|r| *r = good.clone());
    }
    assert_eq!(ask(address, "GET", "/readyz", "").status, 200);
}

#[test]
fn log_levels_are_read_and_changed_live() {
    let node = ToyNode::new();
    let (_console, address) = start(Config::default(), &node);
    assert_eq!(ask(address, "GET", "/log", "").body, "info\n");
    let changed = ask(address, "PUT", "/log", "info,forebay_shard=debug\n");
    assert_eq!((changed.status, changed.body.as_str()), (200, "info,forebay_shard=debug\n"));
    assert_eq!(*node.levels.lock().unwrap(), "info,forebay_shard=debug");
    let refused = ask(address, "PUT", "/log", "loud");
    assert_eq!((refused.status, refused.body.as_str()), (400, "no level is called 'loud'\n"));
    assert_eq!(ask(address, "PUT", "/log", "  ").status, 400);
    assert_eq!(ask(address, "GET", "/log", "").body, "info,forebay_shard=debug\n");
}

#[test]
fn an_unknown_path_is_404_and_a_wrong_method_405() {
    let (_console, address) = start(Config::default(), &ToyNode::new());
    assert_eq!(ask(address, "GET", "/metricz", "").status, 404);
    assert_eq!(ask(address, "PUT", "/nowhere", "").status, 404);
    for (method, path, allowed) in [
        ("POST", "/metrics", "allow: get, head\r\n"),
        ("DELETE", "/log", "allow: get, head, put\r\n"),
        ("PUT", "/", "allow: get, head\r\n"),
    ] {
        let answer = ask(address, method, path, "");
        assert_eq!(answer.status, 405, "{method} {path}");
        assert!((answer.head.clone() + "\r\n").contains(allowed), "{}", answer.head);
    }
    let head = ask(address, "HEAD", "/healthz", "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let page = ask(address, "GET", "/?any=query", "");
    assert!(page.status == 200 && page.body.contains("/readyz"), "{}", page.body);
}

#[test]
fn a_body_or_a_head_too_large_is_refused() {
    let (_console, address) = start(Config::default(), &ToyNode::new());
    assert_eq!(ask(address, "PUT", "/log", &"x".repeat(5_000)).status, 413);
    let mut socket = connect(address);
    // In one write: the refusal may close the connection before a second one.
    let head = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    socket.write_all(head.as_bytes()).unwrap();
    assert_eq!(read_answer(socket).status, 431);
    let mut socket = connect(address);
    write!(socket, "what is this\r\n\r\n").unwrap();
    assert_eq!(read_answer(socket).status, 400);
}

#[test]
fn a_slow_head_or_body_is_not_waited_for_for_ever() {
    let mut config = Config::default();
    config.limits.head_time_max = Duration::from_millis(50);
    let (_console, address) = start(config, &ToyNode::new());
    let (silent, mut halfway) = (connect(address), connect(address));
    write!(halfway, "GET / HT").unwrap();
    expect_silent_close(silent);
    expect_silent_close(halfway);

    let mut config = Config::default();
    config.limits.body_time_max = Duration::from_millis(50);
    let (_console, address) = start(config, &ToyNode::new());
    let mut body = connect(address);
    write!(body, "PUT /log HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 10\r\n\r\ninfo")
        .unwrap();
    assert_eq!(read_answer(body).status, 408);
}

#[test]
fn a_connection_too_many_is_told_so() {
    let mut config = Config::default();
    config.limits.connections_max = 2;
    let (_console, address) = start(config, &ToyNode::new());
    let held: Vec<TcpStream> = (0..2).map(|_| keep_open(address)).collect();
    let refused = read_answer(connect(address));
    assert_eq!((refused.status, refused.body.as_str()), (503, "too many connections\n"));
    drop(held);
    // The places are free as soon as the console has noticed.
    let answer = loop {
        let answer = ask_gently(address);
        if answer.status == 200 {
            break answer;
        }
    };
    assert!(answer.body.contains("forebay_console_connections_refused_total"), "{}", answer.body);
}

/// A connection that had an answer and is kept.
fn keep_open(address: SocketAddr) -> TcpStream {
    let mut socket = connect(address);
    write!(socket, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut text = Vec::new();
    while !text.ends_with(b"alive\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    socket
}

/// Asks, and takes a reset for an answer: a connection that is refused may be gone before it was read.
fn ask_gently(address: SocketAddr) -> Answer {
    let mut socket = connect(address);
    let sent = write!(socket, "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let mut text = String::new();
    if sent.is_err() || socket.read_to_string(&mut text).is_err() {
        return Answer { status: 0, head: String::new(), body: String::new() };
    }
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    Answer { status, head: head.into(), body: body.into() }
}

#[test]
fn a_panic_while_answering_is_an_answer() {
    let (_console, address) = start(Config::default(), &ToyNode::new());
    assert_eq!(ask(address, "PUT", "/log", "panic").status, 500);
    assert_eq!(ask(address, "GET", "/healthz", "").status, 200);
}

#[test]
fn an_old_connection_is_closed_between_requests() {
    let mut config = Config::default();
    config.limits.connection_time_max = Duration::from_secs(1);
    let (_console, address) = start(config, &ToyNode::new());
    expect_silent_close(keep_open(address));
}

#[test]
fn stopping_closes_the_listener_and_the_connections() {
    let (console, address) = start(Config::default(), &ToyNode::new());
    let kept = keep_open(address);
    drop(console);
    expect_silent_close(kept);
    TcpStream::connect(address).expect_err("nobody listens any more");
    let again = Console::start(Config::default(), vec![address], ToyNode::new()).unwrap();
    assert_eq!(again.addresses(), [address]);
}

#[test]
fn an_address_in_use_is_named_with_what_to_do() {
    let (_console, address) = start(Config::default(), &ToyNode::new());
    let error = Console::start(Config::default(), vec![address], ToyNode::new()).err().expect("it is taken");
    assert!(matches!(error, StartError::Listen { .. }));
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("--listen http="), "{text}");
}
