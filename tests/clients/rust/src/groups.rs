//! Groups: going on, sharing, leaving, dying, coming back.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write, stdout};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::client::{Sender, check_numbers, config, numbered, offset_in, one, poll, send_numbers, topic};
use crate::harness::{WAIT, name, wait_until};

/// What has happened to a member.
#[derive(Default)]
pub struct Seen {
    pub assigned: BTreeSet<i32>,
    revoked: Vec<i32>,
    rebalances: usize,
    pub values: BTreeSet<String>,
}

/// Who has a partition by what the listeners were told; shared by all members of a story.
#[derive(Default)]
pub struct Owners {
    of: BTreeMap<i32, String>,
    twice: Vec<(i32, String, String)>,
}

impl Owners {
    fn note(&mut self, who: &str, rebalance: &Rebalance<'_>) {
        let numbers = |list: &TopicPartitionList| -> Vec<i32> {
            list.elements().iter().map(|element| element.partition()).collect()
        };
        match rebalance {
            Rebalance::Assign(partitions) => {
                for partition in numbers(partitions) {
                    let owner = self.of.entry(partition).or_insert_with(|| who.to_string());
                    if owner != who {
                        self.twice.push((partition, owner.clone(), who.to_string()));
                    }
                }
            }
            Rebalance::Revoke(partitions) => {
                for partition in numbers(partitions) {
                    if self.of.get(&partition).is_some_and(|owner| owner == who) {
                        self.of.remove(&partition);
                    }
                }
            }
            Rebalance::Error(why) => println!("{who} is told of {why}"),
        }
    }

    /// No partition had two owners at once.
    pub fn check(&self) {
        assert!(self.twice.is_empty(), "partitions with two owners: {:?}", self.twice);
    }
}

/// Notes the rebalances of a member.
struct Listener {
    who: String,
    owners: Arc<Mutex<Owners>>,
    seen: Arc<Mutex<Seen>>,
    /// Leaving is not a revocation that a story counts.
    is_leaving: Arc<AtomicBool>,
}

impl ClientContext for Listener {}

impl ConsumerContext for Listener {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        self.owners.lock().expect("nobody has panicked").note(&self.who, rebalance);
        if self.is_leaving.load(Ordering::SeqCst) {
            return;
        }
        let mut seen = self.seen.lock().expect("nobody has panicked");
        seen.rebalances += 1;
        if let Rebalance::Revoke(partitions) = rebalance {
            seen.revoked.extend(partitions.elements().iter().map(|element| element.partition()));
        }
    }
}

/// A member in a thread: reads, remembers, commits.
pub struct Member {
    pub seen: Arc<Mutex<Seen>>,
    is_leaving: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// The settings of a member of this group.
pub fn membership<'a>(group: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut settings = vec![
        ("group.id", group),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "500"),
        ("partition.assignment.strategy", "range"),
    ];
    settings.extend(more);
    settings
}

impl Member {
    fn join(group: &str, topic: &str, more: &[(&str, &str)]) -> Member {
        Member::with(&membership(group, more), topic, "", &Arc::default())
    }

    /// One with these settings and no others.
    pub fn with(settings: &[(&str, &str)], topic: &str, who: &str, owners: &Arc<Mutex<Owners>>) -> Member {
        let (seen, is_leaving) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let listener = Listener {
            who: who.to_string(),
            owners: owners.clone(),
            seen: seen.clone(),
            is_leaving: is_leaving.clone(),
        };
        let consumer: BaseConsumer<Listener> =
            config(settings).create_with_context(listener).expect("a consumer");
        consumer.subscribe(&[topic]).expect("a subscription");
        let thread = {
            let (seen, is_leaving) = (seen.clone(), is_leaving.clone());
            spawn(move || {
                while !is_leaving.load(Ordering::SeqCst) {
                    step(&consumer, &seen);
                }
            })
        };
        Member { seen, is_leaving, thread }
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("nobody has panicked")
    }

    fn has(&self, partitions: usize) -> bool {
        self.seen().assigned.len() == partitions
    }

    fn count(&self) -> usize {
        self.seen().values.len()
    }

    pub fn leave(self) {
        self.is_leaving.store(true, Ordering::SeqCst);
        self.thread.join().expect("the member ends well");
    }
}

/// Reads for a moment and commits what it read.
fn step(consumer: &BaseConsumer<Listener>, seen: &Mutex<Seen>) {
    let records = poll(consumer, 500);
    let assigned = consumer.assignment().expect("an assignment");
    {
        let mut seen = seen.lock().expect("nobody has panicked");
        seen.assigned = assigned.elements().iter().map(|element| element.partition()).collect();
        seen.values.extend(records.iter().map(|record| record.text()));
    }
    if !records.is_empty() {
        // A rebalance may be under way: then nothing is committed, and nothing is lost by that.
        if let Err(why) = consumer.commit_consumer_state(CommitMode::Sync) {
            println!("not committed: {why}");
        }
    }
}

/// Sends a numbered record every few milliseconds until it is stopped.
pub struct Stream {
    is_stopping: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Stream {
    pub fn start(topic: &str, partitions: i32) -> Stream {
        let is_stopping = Arc::<AtomicBool>::default();
        let topic = topic.to_string();
        let stopped = is_stopping.clone();
        let thread = spawn(move || {
            let mut sender = Sender::with(&[]);
            while !stopped.load(Ordering::SeqCst) {
                let record = numbered(sender.sent, partitions);
                sender.send(&topic, &record);
                sleep(Duration::from_millis(3));
            }
            sender.confirmed().len()
        });
        Stream { is_stopping, thread }
    }

    /// All that was sent, as the members remember it.
    pub fn stop(self) -> BTreeSet<String> {
        self.is_stopping.store(true, Ordering::SeqCst);
        let sent = self.thread.join().expect("all was confirmed");
        (0..sent).map(|n| n.to_string()).collect()
    }
}

/// Waits until the members have read all of it between them, or others did.
pub fn wait_for_all(sent: &BTreeSet<String>, members: &[&Member], elsewhere: &BTreeSet<String>) {
    wait_until("all records are read", || {
        let mut missing: BTreeSet<String> = sent - elsewhere;
        for member in members {
            missing = &missing - &member.seen().values;
        }
        missing.is_empty()
    });
}

pub fn resume() {
    let topic = topic("resume", 1);
    send_numbers(&topic, 1, 1_000, &[]);
    let group = name("group");
    let mut seen = Vec::new();
    for until in [400, 1_000] {
        let consumer: BaseConsumer = config(&membership(&group, &[])).create().expect("a consumer");
        consumer.subscribe(&[&topic]).expect("a subscription");
        wait_until(&format!("{until} records are read"), || {
            seen.extend(poll(&consumer, 100));
            seen.len() >= until
        });
        consumer.commit_consumer_state(CommitMode::Sync).expect("a commit");
        let committed = consumer.committed_offsets(one(&topic, 0, Offset::Invalid), WAIT).expect("an answer");
        let expected = i64::try_from(seen.len()).expect("a small number");
        assert_eq!(offset_in(&committed, &topic, 0), Offset::Offset(expected), "the committed offset");
    }
    check_numbers(&seen, 1, 1_000);
}

/// A second member joins and leaves.
pub fn share_and_leave(is_cooperative: bool) {
    let topic = topic("shared", 4);
    let group = name("group");
    let strategy = [("partition.assignment.strategy", "cooperative-sticky")];
    let more: &[(&str, &str)] = if is_cooperative { &strategy } else { &[] };
    let stream = Stream::start(&topic, 4);
    let first = Member::join(&group, &topic, more);
    wait_until("the first member has all partitions", || first.has(4));
    let second = Member::join(&group, &topic, more);
    wait_until("the members share the partitions", || first.has(2) && second.has(2));
    if is_cooperative {
        let seen = first.seen();
        assert_eq!(seen.revoked.len(), 2, "partitions that the first member had to give up");
        assert!(seen.revoked.iter().all(|p| !seen.assigned.contains(p)), "one was taken and given back");
    }
    let marks = (first.count(), second.count());
    wait_until("both members read", || first.count() > marks.0 && second.count() > marks.1);
    let of_the_second = second.seen.clone();
    second.leave();
    wait_until("the first member has all partitions back", || first.has(4));
    if is_cooperative {
        assert_eq!(
            first.seen().revoked.len(),
            2,
            "partitions that the first member had to give up in the end"
        );
    }
    let sent = stream.stop();
    let elsewhere = of_the_second.lock().expect("nobody has panicked").values.clone();
    wait_for_all(&sent, &[&first], &elsewhere);
    first.leave();
}

pub fn member_dies() {
    let topic = topic("dies", 4);
    let group = name("group");
    let stream = Stream::start(&topic, 4);
    let first = Member::join(&group, &topic, &[]);
    wait_until("the first member has all partitions", || first.has(4));
    let driver = std::env::current_exe().expect("the driver has a path");
    let mut second = Command::new(driver)
        .args(["member", &group, &topic])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a second member");
    wait_until("the first member gave two partitions away", || first.has(2));
    let mut said = BufReader::new(second.stdout.take().expect("it is piped"));
    let mut lines = String::new();
    said.read_line(&mut lines).expect("the second member says something");
    let reader = spawn(move || {
        // A line that was cut off by its death was never said.
        while matches!(said.read_line(&mut lines), Ok(1..)) {}
        lines
    });
    second.kill().expect("it is killed");
    second.wait().expect("it is gone");
    let lines = reader.join().expect("all is read");
    wait_until("the first member took over", || first.has(4));
    let sent = stream.stop();
    let whole = lines.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    let elsewhere = whole.filter_map(|line| line.strip_prefix("saw ")).map(str::to_string).collect();
    wait_for_all(&sent, &[&first], &elsewhere);
    first.leave();
}

/// Says each record before it commits it, until it is killed.
pub fn member(group: &str, topic: &str) {
    let consumer: BaseConsumer = config(&membership(group, &[])).create().expect("a consumer");
    consumer.subscribe(&[topic]).expect("a subscription");
    loop {
        let records = poll(&consumer, 500);
        for record in &records {
            println!("saw {}", record.text());
        }
        stdout().flush().expect("somebody listens");
        if !records.is_empty() {
            consumer.commit_consumer_state(CommitMode::Sync).expect("a commit");
        }
    }
}

pub fn static_member() {
    let topic = topic("static", 4);
    let group = name("group");
    let stream = Stream::start(&topic, 4);
    let join = |instance: &str| {
        Member::join(&group, &topic, &[("group.instance.id", instance), ("session.timeout.ms", "30000")])
    };
    let (first, second) = (join("one"), join("two"));
    wait_until("the members share the partitions", || first.has(2) && second.has(2));
    wait_until("the second member reads", || second.count() > 0);
    let had = second.seen().assigned.clone();
    let rebalances = first.seen().rebalances;
    let of_the_second = second.seen.clone();
    second.leave();
    let again = join("two");
    wait_until("the returned member has the partitions it had", || again.seen().assigned == had);
    wait_until("the returned member reads", || again.count() > 0);
    assert_eq!(first.seen().rebalances, rebalances, "rebalances that the first member saw");
    let sent = stream.stop();
    let elsewhere = of_the_second.lock().expect("nobody has panicked").values.clone();
    wait_for_all(&sent, &[&first, &again], &elsewhere);
    again.leave();
    first.leave();
}
