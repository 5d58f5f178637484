//! A case, and how it may end.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::broker::{Broker, Kind};
use crate::runtime::{Runtime, Runtimes};

/// Why a case did not pass.
#[derive(Debug)]
pub enum Failure {
    /// The broker, or the test itself, is wrong.
    Failed(String),
    /// It could not run here, and why.
    Skipped(String),
}

impl Failure {
    /// A failure with its reason.
    pub fn new(why: impl Into<String>) -> Failure {
        Failure::Failed(why.into())
    }
}

impl From<std::io::Error> for Failure {
    fn from(why: std::io::Error) -> Failure {
        Failure::Failed(why.to_string())
    }
}

/// How a case ends.
pub type Outcome = Result<(), Failure>;

/// Fails with a formatted reason unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($reason:tt)+) => {
        if !$condition {
            return Err($crate::case::Failure::new(format!($($reason)+)));
        }
    };
}

/// One test: a name, the longest it may take, and what it does.
pub struct Case {
    /// Its name, unique in its suite.
    pub name: String,
    /// Past this it has failed.
    pub limit: Duration,
    /// What it does.
    pub run: Box<dyn Fn(&mut Context) -> Outcome + Send + Sync>,
}

impl Case {
    /// A case with its limit in seconds.
    pub fn new(
        name: impl Into<String>,
        limit_s: u64,
        run: impl Fn(&mut Context) -> Outcome + Send + Sync + 'static,
    ) -> Case {
        Case { name: name.into(), limit: Duration::from_secs(limit_s), run: Box::new(run) }
    }
}

/// Cases that run one after another against one broker.
pub struct Suite {
    /// Its name, unique in the run.
    pub name: &'static str,
    /// What must be set up for it.
    pub needs: &'static [Runtime],
    /// Whether it runs a broker for its cases, or each case its own.
    pub broker: BrokerUse,
    /// In the order they run.
    pub cases: Vec<Case>,
}

/// Who starts the broker of a suite.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum BrokerUse {
    /// One for all cases, replaced after a case that failed.
    Shared,
    /// As `Shared`; where it is Forebay, started with these arguments.
    SharedWith(&'static [&'static str]),
    /// As `Shared`, with settings for whichever broker it is.
    SharedAs {
        /// Arguments of Forebay.
        forebay: &'static [&'static str],
        /// Lines of Apache Kafka's properties.
        kafka: &'static [&'static str],
    },
    /// As `Shared`, but Apache Kafka, whatever else is under test.
    SharedKafka,
    /// None: the cases start what they need, and only Forebay will do.
    OwnForebay,
}

/// What a case works with.
pub struct Context<'a> {
    /// The suite's broker; none where the cases start their own.
    pub broker: Option<&'a mut Broker>,
    /// What was set up.
    pub runtimes: &'a Runtimes,
    /// An empty folder, removed afterwards.
    pub dir: PathBuf,
    /// Starts every topic and group name of this case, so that cases share a broker in peace.
    pub prefix: String,
    /// When the case's limit is reached.
    pub deadline: Instant,
    /// Forebay's binary, whose commands for users work with any broker.
    pub binary: &'a Path,
    /// Which broker is under test, for cases that start their own.
    pub kind: &'a Kind,
    /// What the case wants to say when it passed.
    pub remarks: Vec<String>,
}

impl Context<'_> {
    /// The suite's broker. Only for suites that share one.
    pub fn broker(&mut self) -> &mut Broker {
        self.broker.as_deref_mut().expect("this suite shares a broker")
    }

    /// Checks a condition every few milliseconds until it holds or the case's time is up.
    pub fn wait_until(&self, what: &str, mut condition: impl FnMut() -> bool) -> Outcome {
        while !condition() {
            ensure!(Instant::now() < self.deadline, "timed out waiting until {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// The time left before the limit.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}
