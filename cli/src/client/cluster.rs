//! Brokers, topics, who leads what; a connection to each broker; trying again.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_kafka::wire::messages::{FindCoordinatorRequest, MetadataRequest, MetadataResponse};
use forebay_kafka::wire::{ErrorCode, Request, Str};

use super::connection::Connection;
use super::deadline::{Backoff, Deadline, Interrupt};
use super::error::ClientError;
use super::metadata::{Node, Topic, address, by_name, topic};
use super::place::{Grouped, Place};
use super::security::Security;

/// How a cluster is found and how patient we are with it.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Where to begin: `HOST:PORT`, the first that answers is taken.
    pub bootstrap: Vec<String>,
    /// How connections are secured.
    pub security: Security,
    /// How long one thing may take, all tries together.
    pub patience: Duration,
    /// The user's wish to stop.
    pub interrupt: Interrupt,
}

/// Whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Anyone.
    Anyone,
    /// One broker.
    Node(Node),
    /// Whoever takes administration.
    Controller,
}

/// Whether asking for a topic may create it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoCreate {
    /// If the broker is configured so.
    Allowed,
    /// Never.
    Forbidden,
}

/// What we know of a cluster.
#[derive(Debug)]
pub struct Cluster {
    options: ClusterOptions,
    /// Addresses by node.
    brokers: BTreeMap<Node, String>,
    controller: Option<Node>,
    topics: BTreeMap<String, Topic>,
    /// Open connections by address.
    connections: BTreeMap<String, Connection>,
    /// Names of topics this client works with: what a refresh asks for.
    wanted: Vec<String>,
}

impl Cluster {
    /// Connects to a cluster: fails at once when no bootstrap address answers, for then it is more likely misspelt than
    /// restarting.
    ///
    /// # Errors
    /// The last address's.
    pub fn connect(options: ClusterOptions) -> Result<Cluster, ClientError> {
        let mut cluster = Cluster {
            options,
            brokers: BTreeMap::new(),
            controller: None,
            topics: BTreeMap::new(),
            connections: BTreeMap::new(),
            wanted: Vec::new(),
        };
        let deadline = cluster.deadline();
        cluster.refresh(AutoCreate::Forbidden, deadline)?;
        Ok(cluster)
    }

    /// The end of our patience with what begins now.
    pub fn deadline(&self) -> Deadline {
        Deadline::after(self.options.patience)
    }

    /// How connections are secured.
    pub fn security(&self) -> &Security {
        &self.options.security
    }

    /// The user's wish to stop.
    pub fn interrupt(&self) -> &Interrupt {
        &self.options.interrupt
    }

    /// From now on, nobody's wish to stop ends a call: for the last words before we go.
    pub fn ignore_interrupt(&mut self) {
        self.options.interrupt = Interrupt::default();
        self.connections.values_mut().for_each(Connection::ignore_interrupt);
    }

    /// Every broker's number.
    pub fn nodes(&self) -> Vec<Node> {
        self.brokers.keys().copied().collect()
    }

    /// A broker's address, as text.
    pub fn address_of(&self, node: Node) -> &str {
        self.brokers.get(&node).map_or("?", String::as_str)
    }

    /// Asks one broker once.
    ///
    /// # Errors
    /// As [`Connection::call`]. The broken connection is closed.
    pub fn call<R: Request>(
        &mut self,
        to: To,
        request: &R,
        deadline: Deadline,
    ) -> Result<R::Response, ClientError> {
        let address = self.address(to)?;
        let result = self.connection(&address, deadline)?.call(request, deadline);
        self.drop_if_broken(&address, &result);
        result
    }

    /// Asks several brokers once: all questions go out before the first answer is awaited.
    pub fn call_each<R: Request>(
        &mut self,
        requests: &[(Node, R)],
        deadline: Deadline,
    ) -> Vec<Result<R::Response, ClientError>> {
        let sent: Vec<_> = requests
            .iter()
            .map(|(node, request)| {
                let address = self.address(To::Node(*node))?;
                let sent = self.connection(&address, deadline)?.send(request, deadline);
                self.drop_if_broken(&address, &sent);
                Ok((address, sent?))
            })
            .collect();
        let receive = |sent: Result<(String, _), ClientError>| {
            let (address, sent) = sent?;
            let connection = self.connections.get_mut(&address);
            let connection = connection.ok_or_else(|| ClientError::Lost {
                address: address.clone(),
                why: "another answer on it made no sense".into(),
            })?;
            let result = connection.receive::<R>(sent, deadline);
            self.drop_if_broken(&address, &result);
            result
        };
        sent.into_iter().map(receive).collect()
    }

    /// Sends what is never answered.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn send_only<R: Request>(
        &mut self,
        node: Node,
        request: &R,
        deadline: Deadline,
    ) -> Result<(), ClientError> {
        let address = self.address(To::Node(node))?;
        let sent = self.connection(&address, deadline)?.send(request, deadline);
        self.drop_if_broken(&address, &sent);
        sent.map(|_| ())
    }

    /// Does `step` again and again, with fresh metadata and after a pause, until it succeeds, fails for good, or time is
    /// over.
    ///
    /// # Errors
    /// The step's; [`ClientError::TimedOut`] with its last one.
    pub fn persist<T>(
        &mut self,
        doing: &str,
        mut step: impl FnMut(&mut Cluster, Deadline) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let deadline = self.deadline();
        let mut backoff = Backoff::default();
        loop {
            self.options.interrupt.check()?;
            let why = match step(self, deadline) {
                Err(why) if why.is_retriable() => why,
                done => return done,
            };
            self.wait_and_refresh(&mut backoff, doing, why, deadline)?;
        }
    }

    /// One pause between two tries, and fresh metadata after it.
    ///
    /// # Errors
    /// [`ClientError::TimedOut`] when time is over: then `why` was the last try's error.
    pub fn wait_and_refresh(
        &mut self,
        backoff: &mut Backoff,
        doing: &str,
        why: ClientError,
        deadline: Deadline,
    ) -> Result<(), ClientError> {
        let pause = backoff.next();
        if deadline.left().is_none_or(|left| left <= pause) {
            // Nobody there at all is another thing to say than somebody who is slow.
            return Err(match why {
                ClientError::CannotConnect { .. } => why,
                why => ClientError::TimedOut { doing: doing.into(), last: Some(Box::new(why)) },
            });
        }
        self.options.interrupt.pause(pause);
        match self.refresh(AutoCreate::Forbidden, deadline) {
            // The next try says it again.
            Ok(()) | Err(ClientError::CannotConnect { .. } | ClientError::Lost { .. }) => Ok(()),
            Err(why) if why.is_retriable() => Ok(()),
            Err(why) => Err(why),
        }
    }

    /// The topics of these names, or all of them, as the cluster has them now. A topic that does not exist is there, with
    /// its error.
    ///
    /// # Errors
    /// Of the call.
    pub fn topics(
        &mut self,
        names: Option<&[String]>,
        create: AutoCreate,
        deadline: Deadline,
    ) -> Result<Vec<Topic>, ClientError> {
        let asked = names.map(|names| names.iter().map(|name| by_name(name)).collect());
        let request = MetadataRequest {
            topics: asked,
            allow_auto_topic_creation: create == AutoCreate::Allowed,
            ..MetadataRequest::default()
        };
        let response = self.call_anyone(&request, deadline)?;
        Ok(self.learn(&response))
    }

    /// Works with these topics from now on: waits until each exists and all their partitions have leaders.
    ///
    /// # Errors
    /// What is wrong with a topic, once patience is over.
    pub fn work_with(&mut self, names: &[String], create: AutoCreate) -> Result<(), ClientError> {
        self.persist("waiting for the topics' leaders", |cluster, deadline| {
            for topic in cluster.topics(Some(names), create, deadline)? {
                let doing = format!("topic {}", topic.name);
                match topic.error {
                    // Without leave to create it, a topic that does not exist will not appear either.
                    ErrorCode::UnknownTopicOrPartition if create == AutoCreate::Forbidden => {
                        return Err(ClientError::Invalid(format!("topic {} does not exist", topic.name)));
                    }
                    code => ClientError::check(doing, code, None)?,
                }
                let leaderless = topic.partitions.iter().find(|partition| partition.leader.is_none());
                if let Some(partition) = leaderless {
                    return Err(ClientError::NoLeader(Place::new(&topic.name, partition.number)));
                }
            }
            Ok(())
        })?;
        self.wanted = names.to_vec();
        Ok(())
    }

    /// How many partitions a topic has, as far as we know.
    pub fn partition_count(&self, topic: &str) -> usize {
        self.topics.get(topic).map_or(0, |topic| topic.partitions.len())
    }

    /// Every partition of a topic, as far as we know.
    pub fn places(&self, topic: &str) -> Vec<Place> {
        let partitions = self.topics.get(topic).map_or(&[][..], |topic| &topic.partitions);
        partitions.iter().map(|partition| Place::new(topic, partition.number)).collect()
    }

    /// Who leads a partition, as far as we know.
    ///
    /// # Errors
    /// [`ClientError::NoLeader`].
    pub fn leader(&self, place: &Place) -> Result<Node, ClientError> {
        let topic = self.topics.get(&*place.topic);
        let partition = topic.and_then(|topic| topic.partitions.iter().find(|p| p.number == place.partition));
        let leader = partition.and_then(|partition| partition.leader);
        leader.ok_or_else(|| ClientError::NoLeader(place.clone()))
    }

    /// Items gathered by who leads their partitions.
    ///
    /// # Errors
    /// [`ClientError::NoLeader`].
    pub fn by_leader<'a, T>(
        &self,
        items: impl IntoIterator<Item = (&'a Place, T)>,
    ) -> Result<Grouped<Node, (&'a Place, T)>, ClientError> {
        let mut nodes: BTreeMap<Node, Vec<(&Place, T)>> = BTreeMap::new();
        for (place, item) in items {
            nodes.entry(self.leader(place)?).or_default().push((place, item));
        }
        Ok(nodes.into_iter().collect())
    }

    /// The broker that keeps a group.
    ///
    /// # Errors
    /// The broker's, which is often that the coordinator is not ready yet.
    pub fn coordinator(&mut self, group: &str, deadline: Deadline) -> Result<Node, ClientError> {
        let request = FindCoordinatorRequest { key: Str::from(group), ..FindCoordinatorRequest::default() };
        let found = self.call_anyone(&request, deadline)?;
        let doing = format!("finding the coordinator of group {group}");
        ClientError::check(doing, found.error_code, found.error_message.as_ref().map(Str::as_str))?;
        self.brokers.insert(found.node_id, address(&found.host, found.port));
        Ok(found.node_id)
    }

    /// Fetches the metadata of the topics we work with, so that brokers and leaders are those of now.
    ///
    /// # Errors
    /// Of the call.
    pub fn refresh(&mut self, create: AutoCreate, deadline: Deadline) -> Result<(), ClientError> {
        let names = self.wanted.clone();
        self.topics(Some(&names), create, deadline).map(|_| ())
    }

    /// Asks whoever answers: open connections first, then known brokers, then the bootstrap addresses.
    fn call_anyone<R: Request>(
        &mut self,
        request: &R,
        deadline: Deadline,
    ) -> Result<R::Response, ClientError> {
        let mut addresses: Vec<String> = self.connections.keys().cloned().collect();
        addresses.extend(self.brokers.values().cloned());
        addresses.extend(self.options.bootstrap.iter().cloned());
        let mut tried: Vec<String> = Vec::new();
        let mut last = ClientError::Invalid("there is no bootstrap address".into());
        for address in addresses {
            if tried.contains(&address) {
                continue;
            }
            let result = self.connection(&address, deadline).and_then(|c| c.call(request, deadline));
            self.drop_if_broken(&address, &result);
            match result {
                Err(why @ (ClientError::CannotConnect { .. } | ClientError::Lost { .. })) => last = why,
                done => return done,
            }
            tried.push(address);
        }
        Err(last)
    }

    fn address(&self, to: To) -> Result<String, ClientError> {
        let known = |node: &Node| self.brokers.get(node).cloned();
        let found = match to {
            To::Node(node) => known(&node),
            To::Controller => self.controller.as_ref().and_then(known),
            To::Anyone => None,
        };
        let anyone = || {
            let open = self.connections.keys().next();
            open.or_else(|| self.brokers.values().next()).or_else(|| self.options.bootstrap.first()).cloned()
        };
        match (found, to) {
            (Some(address), _) => Ok(address),
            (None, To::Node(node)) => Err(ClientError::CannotConnect {
                address: format!("node {node}"),
                why: "the metadata does not say where it is".into(),
            }),
            // A cluster that names no controller takes administration anywhere.
            (None, To::Controller | To::Anyone) => {
                anyone().ok_or_else(|| ClientError::Invalid("there is no bootstrap address".into()))
            }
        }
    }

    fn connection(&mut self, address: &str, deadline: Deadline) -> Result<&mut Connection, ClientError> {
        if !self.connections.contains_key(address) {
            let ClusterOptions { security, interrupt, .. } = &self.options;
            let connection = Connection::open(address, security, deadline, interrupt.clone())?;
            self.connections.insert(address.into(), connection);
        }
        Ok(self.connections.get_mut(address).expect("it was there, or was put there"))
    }

    /// After any error but these, nobody knows what the next bytes on the connection belong to.
    fn drop_if_broken<T>(&mut self, address: &str, result: &Result<T, ClientError>) {
        match result {
            Ok(_) | Err(ClientError::NoCommonVersion { .. } | ClientError::Invalid(_)) => {}
            Err(_) => {
                self.connections.remove(address);
            }
        }
    }

    fn learn(&mut self, response: &MetadataResponse) -> Vec<Topic> {
        self.brokers = response.brokers.iter().map(|b| (b.node_id, address(&b.host, b.port))).collect();
        self.controller = Some(response.controller_id).filter(|node| *node >= 0);
        let topics: Vec<Topic> = response.topics.iter().map(topic).collect();
        for topic in &topics {
            // While a topic is in trouble, what we knew of it is the better guess.
            if topic.error.is_none() || !self.topics.contains_key(&topic.name) {
                self.topics.insert(topic.name.clone(), topic.clone());
            }
        }
        topics
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::scripted::{Broker, Script};
    use forebay_kafka::wire::{AnyRequest, ApiKey};

    /// Metadata with a topic of these leaders.
    fn metadata(script: &Script, leaders: &[i32]) -> MetadataResponse {
        let mut metadata = script.metadata(leaders.len() as i32);
        let partitions = metadata.topics[0].partitions.iter_mut();
        partitions.zip(leaders).for_each(|(partition, leader)| partition.leader_id = *leader);
        metadata
    }

    #[test]
    fn a_topic_is_waited_for_until_its_partitions_have_leaders() {
        let broker = Broker::start(|script| {
            script.versions(vec![(ApiKey::Metadata, 0, 9)]);
            for leaders in [&[][..], &[-1, 1], &[-1, 1], &[1, 1]] {
                let answer = metadata(script, leaders);
                script.answer(ApiKey::Metadata, 9, &answer);
            }
        });
        let mut cluster = broker.cluster();
        cluster.work_with(&["t".into()], AutoCreate::Allowed).unwrap();
        assert_eq!(cluster.leader(&Place::new("t", 0)), Ok(1));
        assert_eq!(cluster.partition_count("t"), 2);
        assert!(cluster.leader(&Place::new("t", 2)).is_err());
        let _connect = broker.next_asked();
        let AnyRequest::Metadata(asked) = broker.next_asked() else { panic!("not Metadata") };
        assert!(asked.allow_auto_topic_creation);
    }

    #[test]
    fn what_will_not_change_is_not_tried_again() {
        let broker = Broker::start(|script| {
            script.versions(vec![(ApiKey::Metadata, 0, 9)]);
            let mut answer = metadata(script, &[]);
            script.answer(ApiKey::Metadata, 9, &answer);
            answer.topics[0].error_code = ErrorCode::UnknownTopicOrPartition;
            script.answer(ApiKey::Metadata, 9, &answer);
        });
        let mut cluster = broker.cluster();
        let why = cluster.work_with(&["t".into()], AutoCreate::Forbidden).unwrap_err();
        assert_eq!(why.to_string(), "topic t does not exist");
    }

    #[test]
    fn every_bootstrap_address_is_tried() {
        let broker = Broker::start(|script| {
            script.versions(vec![(ApiKey::Metadata, 0, 9)]);
            let answer = metadata(script, &[]);
            script.answer(ApiKey::Metadata, 9, &answer);
        });
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut options = broker.options();
        options.bootstrap.insert(0, nobody.clone());
        assert_eq!(Cluster::connect(options.clone()).unwrap().nodes(), [1]);
        options.bootstrap = vec![nobody.clone()];
        let why = Cluster::connect(options).unwrap_err();
        assert!(why.to_string().starts_with(&format!("cannot connect to {nobody}")), "{why}");
    }
}
