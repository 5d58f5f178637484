//! A topic that is as asked, who leads it, and open lanes to them.

use std::time::Duration;

use forebay_kafka::model::{ProducerEpoch, ProducerId};
use forebay_kafka::wire::{ApiKey, ErrorCode};

use super::lane::{Lane, LaneOptions};
use super::link::Link;
use super::measure::For;
use super::pump::Patience;
use crate::args::{BenchLoad, BenchOn};
use crate::client::admin::{self, NewTopic};
use crate::client::cluster::AutoCreate;
use crate::client::connection::Connection;
use crate::client::producer::identify;
use crate::client::{ClientError, Cluster, Deadline, Place};
use crate::commands::connect;
use crate::exit::Failure;
use crate::output::time;

/// Largest answer to Produce that is taken in, bytes.
const CONFIRM_BYTES_MAX: usize = 1024 * 1024;

/// A topic, ready for load.
#[derive(Debug)]
pub struct Target {
    /// The cluster it is in.
    pub cluster: Cluster,
    /// Its name.
    pub topic: String,
    /// Its partitions by who leads them.
    pub leaders: Vec<Leader>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Who reads what was measured.
    pub out: For,
}

/// A broker and what it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Where it is.
    pub address: String,
    /// Partitions of the topic.
    pub partitions: Vec<i32>,
}

impl Target {
    /// Connects; creates the topic if it is missing.
    ///
    /// # Errors
    /// When nobody answers, the topic is not as asked, or cannot be created.
    pub fn for_load(on: &BenchOn, load: &BenchLoad) -> Result<Target, Failure> {
        let topic = load.topic.clone().unwrap_or_else(|| format!("forebay-bench-{}", time::now_ms()));
        let mut cluster = connect::connect(&on.connect)?;
        ensure(&mut cluster, &topic, load)?;
        Target::new(on, topic, cluster)
    }

    /// Connects to read: the topic has to be there.
    ///
    /// # Errors
    /// When nobody answers, or there is no such topic.
    pub fn to_read(on: &BenchOn, topic: &str) -> Result<Target, Failure> {
        let cluster = connect::connect(&on.connect)?;
        Target::new(on, topic.into(), cluster)
    }

    fn new(on: &BenchOn, topic: String, mut cluster: Cluster) -> Result<Target, Failure> {
        cluster.work_with(std::slice::from_ref(&topic), AutoCreate::Forbidden)?;
        let places = cluster.places(&topic);
        let by_leader = cluster.by_leader(places.iter().map(|place| (place, ())))?;
        let leader = |(node, places): (i32, Vec<(&Place, ())>)| Leader {
            address: cluster.address_of(node).to_owned(),
            partitions: places.iter().map(|(place, ())| place.partition).collect(),
        };
        let leaders: Vec<Leader> = by_leader.into_iter().map(leader).collect();
        if leaders.is_empty() {
            return Err(Failure::failed(format!("topic {topic} has no partitions")));
        }
        Ok(Target { topic, leaders, timeout: on.connect.timeout, out: For::json(on.json), cluster })
    }

    /// What threads need to know of our patience.
    pub fn patience(&self) -> Patience {
        Patience { answer: self.timeout, interrupt: self.cluster.interrupt().clone() }
    }

    /// Opens a lane to these partitions of a leader, without requests to send yet.
    ///
    /// # Errors
    /// When nobody answers there, or no version of Produce is common.
    pub fn lane(
        &mut self,
        leader: &Leader,
        partitions: Vec<i32>,
        in_flight_max: usize,
        load: &BenchLoad,
    ) -> Result<Lane, Failure> {
        let identity = self.identity(load)?;
        let (link, version) = self.link(&leader.address, ApiKey::Produce, CONFIRM_BYTES_MAX)?;
        let topic = self.topic.clone();
        Ok(Lane::new(link, LaneOptions { version, topic, partitions, identity, in_flight_max }))
    }

    /// Connects, and says which version of an API both sides speak.
    ///
    /// # Errors
    /// When nobody answers there, or no version is common.
    pub fn link(&self, address: &str, api: ApiKey, answer_bytes_max: usize) -> Result<(Link, i16), Failure> {
        let deadline = Deadline::after(self.timeout);
        let connection =
            Connection::open(address, self.cluster.security(), deadline, self.cluster.interrupt().clone())?;
        let version = connection.version(api)?;
        let link = Link::new(connection.into_stream()?, address, answer_bytes_max);
        Ok((link.map_err(|why| Failure::failed(format!("connecting to {address}: {why}")))?, version))
    }

    fn identity(&mut self, load: &BenchLoad) -> Result<Option<(ProducerId, ProducerEpoch)>, Failure> {
        if load.allow_duplicates {
            return Ok(None);
        }
        match identify(&mut self.cluster) {
            Ok(identity) => Ok(Some(identity)),
            Err(why) => {
                let mut failure = Failure::from(why);
                failure.message.push_str("\n--allow-duplicates does without a producer id.");
                Err(failure)
            }
        }
    }
}

/// Creates the topic if it is missing; otherwise looks whether it is as asked.
fn ensure(cluster: &mut Cluster, topic: &str, load: &BenchLoad) -> Result<(), Failure> {
    let names = [topic.to_owned()];
    let found = cluster.persist("looking for the topic", |cluster, deadline| {
        let found = cluster.topics(Some(&names), AutoCreate::Forbidden, deadline)?;
        found
            .into_iter()
            .next()
            .ok_or_else(|| ClientError::Invalid(format!("topic {topic} is not in the metadata")))
    })?;
    if found.error == ErrorCode::UnknownTopicOrPartition {
        return create(cluster, topic, load);
    }
    ClientError::check(format!("topic {topic}"), found.error, None)?;
    let has = found.partitions.len();
    if let Some(wanted) = load.partitions.filter(|wanted| *wanted as usize != has) {
        return Err(Failure::failed(format!(
            "topic {topic} is there already, with {has} partitions, not {wanted}"
        )));
    }
    if load.topic_config.is_empty() {
        return Ok(());
    }
    let configs = admin::topic_configs(cluster, topic)?;
    for (name, wanted) in &load.topic_config {
        let has =
            configs.iter().find(|config| config.name == *name).and_then(|config| config.value.as_deref());
        if has != Some(wanted) {
            let has = has.unwrap_or("nothing");
            let why = format!("topic {topic} is there already, with {name} = {has}, not {wanted}");
            return Err(Failure::failed(why));
        }
    }
    Ok(())
}

fn create(cluster: &mut Cluster, topic: &str, load: &BenchLoad) -> Result<(), Failure> {
    let new = NewTopic {
        name: topic.into(),
        partitions: Some(load.partitions.unwrap_or(1)),
        replication_factor: None,
        configs: load.topic_config.clone(),
    };
    for (_, outcome) in admin::create_topics(cluster, &[new])? {
        outcome?;
    }
    // Until every broker knows of it, some say that it does not exist.
    Ok(cluster.persist("waiting for the new topic", |cluster, deadline| {
        let found = cluster.topics(Some(&[topic.to_owned()]), AutoCreate::Forbidden, deadline)?;
        let code = found.first().map_or(ErrorCode::UnknownTopicOrPartition, |topic| topic.error);
        ClientError::check(format!("topic {topic}"), code, None)
    })?)
}
