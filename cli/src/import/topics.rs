//! Which topics come over, and the same ones here: partitions, and the settings that mean something here.

use std::collections::BTreeMap;

use forebay_kafka::session::{Judged, judge};
use forebay_kafka::wire::messages::create_partitions::CreatePartitionsTopic;
use forebay_kafka::wire::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use forebay_kafka::wire::messages::{CreatePartitionsRequest, CreateTopicsRequest, MetadataRequest};
use forebay_kafka::wire::{ErrorCode, Str};

use super::finding::{Finding, Kind};
use super::lane::Lane;
use crate::client::admin::{self, NewTopic, TopicConfig};
use crate::client::cluster::{AutoCreate, To};
use crate::client::metadata::by_name;
use crate::client::{ClientError, Cluster, Place};

/// A setting that only we have.
const OUR_SETTING: &str = "forebay.flush";

/// How Apache Kafka's brokers lay out their files and when they clean up: nothing that a client would see, so nothing is lost
/// where it is left out.
const LAYOUT: &[&str] = &[
    "file.delete.delay.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "leader.replication.throttled.replicas",
    "message.downconversion.enable",
    "message.format.version",
    "preallocate",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
];

/// A topic of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTopic {
    /// Its name.
    pub name: String,
    /// Its id as text; of zeros where the source has none.
    pub id: String,
    /// How many partitions it has.
    pub partitions: usize,
    /// How many copies its first partition has.
    pub copies: usize,
    /// Its settings.
    pub configs: Vec<TopicConfig>,
}

/// The source's name for itself, and its topics: those of these names, or all but its own.
///
/// # Errors
/// When a topic does not exist, and the cluster's.
pub fn read(cluster: &mut Cluster, names: &[String]) -> Result<(String, Vec<SourceTopic>), ClientError> {
    let wanted = (!names.is_empty()).then(|| names.iter().map(|name| by_name(name)).collect());
    let request =
        MetadataRequest { topics: wanted, allow_auto_topic_creation: false, ..MetadataRequest::default() };
    let found = cluster.persist("listing topics", |cluster, deadline| {
        let response = cluster.call(To::Anyone, &request, deadline)?;
        for topic in &response.topics {
            let name = topic.name.as_ref().map_or("", Str::as_str);
            match topic.error_code {
                ErrorCode::UnknownTopicOrPartition => {
                    return Err(ClientError::Invalid(format!("the source has no topic {name}")));
                }
                code => ClientError::check(format!("topic {name}"), code, None)?,
            }
        }
        Ok(response)
    })?;
    let cluster_id = found.cluster_id.as_ref().map_or("unnamed", Str::as_str).to_owned();
    let mut topics = Vec::new();
    for topic in &found.topics {
        let name = topic.name.as_ref().map_or_else(String::new, Str::to_string);
        let own = topic.is_internal || name.starts_with("__");
        if own && names.is_empty() {
            continue;
        }
        topics.push(SourceTopic {
            id: topic.topic_id.to_string(),
            partitions: topic.partitions.len(),
            copies: topic.partitions.first().map_or(0, |partition| partition.replica_nodes.len()),
            configs: admin::topic_configs(cluster, &name)?,
            name,
        });
    }
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
    cluster.work_with(&names, AutoCreate::Forbidden)?;
    Ok((cluster_id, topics))
}

impl SourceTopic {
    /// Its partitions.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        (0..self.partitions).map(|number| Place::new(&self.name, number as i32))
    }

    /// A lane for each partition.
    pub fn lanes(&self, cluster_id: &str) -> impl Iterator<Item = Lane> {
        self.places().map(move |place| {
            let origin = format!("kafka {cluster_id} {} {} {}", self.name, self.id, place.partition);
            Lane::new(place, origin, None)
        })
    }

    /// The settings that it gets here, and what is to be said of those that it does not get.
    pub fn settings(&self) -> (Vec<(String, String)>, Vec<Finding>) {
        let mut kept = BTreeMap::new();
        let mut findings = Vec::new();
        for config in &self.configs {
            let Some(value) = &config.value else { continue };
            match judge(&config.name, value) {
                Judged::Kept => drop(kept.insert(config.name.clone(), value.clone())),
                Judged::Always => {}
                Judged::Otherwise(why) | Judged::Refused(why) => findings.extend(self.left_out(config, &why)),
            }
        }
        (kept.into_iter().collect(), findings)
    }

    /// What is to be said of a setting that is refused here. A default that nobody chose is said once for all topics.
    fn left_out(&self, config: &TopicConfig, why: &str) -> Option<Finding> {
        let is_layout = LAYOUT.contains(&config.name.as_str());
        if config.default || is_layout && !config.own {
            return None;
        }
        let kind = if is_layout { Kind::Note } else { Kind::Differs };
        let value = config.value.as_deref().unwrap_or_default();
        let text = if is_layout {
            format!("{}={value} is about files of Kafka's brokers and is left out", config.name)
        } else {
            format!("{}={value}: {why}", config.name)
        };
        Some(Finding { kind, area: "setting", subject: self.name.clone(), text })
    }
}

/// Whether the target is a Forebay: one that knows a setting of ours. Nothing is created.
///
/// # Errors
/// When it is none, and the cluster's.
pub fn check_target(cluster: &mut Cluster) -> Result<(), ClientError> {
    let topic = CreatableTopic {
        name: Str::from("forebay-import-asks-who-is-there"),
        num_partitions: 1,
        replication_factor: -1,
        configs: vec![CreatableTopicConfig { name: Str::from(OUR_SETTING), value: Some(Str::from("sync")) }],
        ..CreatableTopic::default()
    };
    let request =
        CreateTopicsRequest { topics: vec![topic], validate_only: true, ..CreateTopicsRequest::default() };
    let answer = cluster.persist("asking the target who it is", |cluster, deadline| {
        let response = cluster.call(To::Controller, &request, deadline)?;
        let code = response.topics.first().map_or(ErrorCode::None, |topic| topic.error_code);
        match code {
            ErrorCode::NotController => {
                ClientError::check("finding the controller", code, None).map(|()| code)
            }
            code => Ok(code),
        }
    })?;
    match answer {
        ErrorCode::None | ErrorCode::TopicAlreadyExists => Ok(()),
        ErrorCode::InvalidConfig => Err(ClientError::Invalid(
            "the target is no Forebay: only there can records be brought to their offsets".into(),
        )),
        code => ClientError::check("asking the target who it is", code, None),
    }
}

/// Makes the topics that the target lacks, and the partitions that its topics lack. Returns the names of those created.
///
/// # Errors
/// When one cannot be made, or has more partitions here than there.
pub fn make(cluster: &mut Cluster, topics: &[SourceTopic]) -> Result<Vec<String>, ClientError> {
    let present: BTreeMap<String, usize> = cluster
        .persist("listing topics", |cluster, deadline| cluster.topics(None, AutoCreate::Forbidden, deadline))?
        .into_iter()
        .map(|topic| (topic.name.clone(), topic.partitions.len()))
        .collect();
    let missing: Vec<&SourceTopic> =
        topics.iter().filter(|topic| !present.contains_key(&topic.name)).collect();
    let new = |topic: &&SourceTopic| NewTopic {
        name: topic.name.clone(),
        partitions: i32::try_from(topic.partitions).ok(),
        replication_factor: None,
        configs: topic.settings().0,
    };
    let mut created = Vec::new();
    for some in missing.chunks(TOPICS_AT_ONCE) {
        for (name, outcome) in admin::create_topics(cluster, &some.iter().map(new).collect::<Vec<_>>())? {
            match outcome {
                Ok(()) => created.push(name),
                // An earlier try was heard after all.
                Err(why) if why.code() == Some(ErrorCode::TopicAlreadyExists) => {}
                Err(why) => return Err(why),
            }
        }
    }
    for topic in topics {
        match present.get(&topic.name).copied().unwrap_or(topic.partitions) {
            here if here < topic.partitions => grow(cluster, topic)?,
            here if here > topic.partitions => {
                return Err(ClientError::Invalid(format!(
                    "topic {} has {here} partitions at the target and {} at the source",
                    topic.name, topic.partitions
                )));
            }
            _ => {}
        }
    }
    let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
    cluster.work_with(&names, AutoCreate::Forbidden)?;
    Ok(created)
}

/// Topics of one request.
const TOPICS_AT_ONCE: usize = 200;

fn grow(cluster: &mut Cluster, topic: &SourceTopic) -> Result<(), ClientError> {
    let request = CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic {
            name: Str::from(&*topic.name),
            count: i32::try_from(topic.partitions).unwrap_or(i32::MAX),
            assignments: None,
        }],
        timeout_ms: 60_000,
        ..CreatePartitionsRequest::default()
    };
    let doing = format!("adding partitions to topic {}", topic.name);
    cluster.persist(&doing, |cluster, deadline| {
        let response = cluster.call(To::Controller, &request, deadline)?;
        for result in response.results {
            let message = result.error_message.as_ref().map(Str::as_str);
            ClientError::check(&*doing, result.error_code, message)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(configs: &[(&str, &str, bool)]) -> SourceTopic {
        let config = |(name, value, default): &(&str, &str, bool)| TopicConfig {
            name: (*name).into(),
            value: Some((*value).into()),
            own: !default,
            default: *default,
        };
        let configs = configs.iter().map(config).collect();
        SourceTopic { name: "t".into(), id: "id".into(), partitions: 2, copies: 1, configs }
    }

    #[test]
    fn settings_are_kept_left_out_or_a_difference() {
        let topic = topic(&[
            ("retention.ms", "1000", false),
            ("max.message.bytes", "1048588", true),
            ("segment.bytes", "1073741824", false),
            ("segment.index.bytes", "20971520", false),
            ("index.interval.bytes", "4096", false),
            ("min.insync.replicas", "2", false),
            ("message.timestamp.after.max.ms", "3600000", true),
            ("compression.type", "producer", true),
        ]);
        let (kept, findings) = topic.settings();
        let names: Vec<&str> = kept.iter().map(|(name, _)| name.as_str()).collect();
        // What applies there without having been set is set here: our defaults may be others.
        assert_eq!(
            names,
            [
                "compression.type",
                "max.message.bytes",
                "message.timestamp.after.max.ms",
                "retention.ms",
                "segment.bytes"
            ]
        );
        let said: Vec<_> = findings.iter().map(|finding| (finding.kind, finding.text.as_str())).collect();
        assert_eq!(said[0].0, Kind::Note);
        assert!(said[0].1.starts_with("segment.index.bytes=20971520 is about files"), "{said:?}");
        assert_eq!(said[1].0, Kind::Differs);
        assert!(said[1].1.starts_with("min.insync.replicas=2: "), "{said:?}");
        assert_eq!(said.len(), 2);
    }

    #[test]
    fn a_lane_says_where_its_records_come_from() {
        let lanes: Vec<Lane> = topic(&[]).lanes("abc").collect();
        assert_eq!(lanes[1].origin, "kafka abc t id 1");
        assert_eq!(lanes.len(), 2);
    }
}
