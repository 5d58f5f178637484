//! What of a cluster would be different here: read from the cluster, held against what this binary serves.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_kafka::model::limits::TRANSACTION_TIMEOUT_MS_MAX;
use forebay_kafka::session::{Judged, judge};
use forebay_kafka::wire::messages::{
    ApiVersionsRequest, DescribeClientQuotasRequest, DescribeUserScramCredentialsRequest,
    ListTransactionsRequest,
};
use forebay_kafka::wire::{ApiKey, Request, Str};

use super::acls;
use super::batch::split;
use super::finding::Finding;
use super::source;
use super::topics::SourceTopic;
use crate::client::admin;
use crate::client::cluster::To;
use crate::client::offsets::{self, Which};
use crate::client::{ClientError, Cluster};

/// States of a transaction that is under way, by Kafka's names.
const UNDER_WAY: [&str; 3] = ["Ongoing", "PrepareCommit", "PrepareAbort"];
/// How long the first batch of a partition is waited for.
const WAIT: Duration = Duration::from_millis(500);
/// Partitions whose first batches are looked at in one request.
const LOOKED_AT_ONCE: usize = 50;

/// One kind of thing that is looked for in a cluster.
type Look = fn(&mut Cluster) -> Result<Vec<Finding>, ClientError>;

/// Everything that can be seen of a cluster and its topics.
///
/// # Errors
/// The cluster's. What it does not tell is a finding of its own.
pub fn look(cluster: &mut Cluster, topics: &[SourceTopic]) -> Result<Vec<Finding>, ClientError> {
    let mut findings = settings(topics);
    findings.extend(copies(topics));
    findings.extend(layouts(cluster, topics)?);
    let more: [Look; 6] = [features, groups, transactions, rules, quotas, users];
    for look in more {
        match look(cluster) {
            Ok(found) => findings.extend(found),
            Err(ClientError::NoCommonVersion { api, .. }) => {
                let text = "the cluster does not tell: it is older than that request";
                findings.push(Finding::note("unseen", api.name(), text));
            }
            // Whoever may not ask is told so; the rest is worth something all the same.
            Err(ClientError::Refused { doing, code, .. }) => {
                findings.push(Finding::note(
                    "unseen",
                    doing,
                    format!("the cluster does not tell: {}", code.name()),
                ));
            }
            Err(why) => return Err(why),
        }
    }
    Ok(findings)
}

/// Whether clients can use an API here.
fn is_served(api: ApiKey) -> bool {
    api.api().advertised().is_some()
}

/// Settings that somebody chose and that are refused here, per topic; defaults once for all.
pub fn settings(topics: &[SourceTopic]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = topics.iter().flat_map(|topic| topic.settings().1).collect();
    let mut defaults: BTreeMap<String, String> = BTreeMap::new();
    for config in topics.iter().flat_map(|topic| &topic.configs).filter(|config| config.default) {
        let Some(value) = &config.value else { continue };
        // A setting that we do not have at all does nothing here at its default either.
        if let Judged::Otherwise(why) = judge(&config.name, value) {
            defaults.insert(config.name.clone(), format!("at its default, {value}: {why}"));
        }
    }
    findings.extend(defaults.into_iter().map(|(name, text)| Finding::note("default", name, text)));
    findings
}

fn copies(topics: &[SourceTopic]) -> Option<Finding> {
    let most = topics.iter().map(|topic| topic.copies).max().filter(|copies| *copies > 1)?;
    let text = format!(
        "topics have up to {most} copies there; how many each has here follows from the nodes of its shard, not from the topic"
    );
    Some(Finding::note("replication", "all", text))
}

/// Partitions that begin with records from before Kafka 0.11.
fn layouts(cluster: &mut Cluster, topics: &[SourceTopic]) -> Result<Vec<Finding>, ClientError> {
    let places: Vec<_> = topics.iter().flat_map(SourceTopic::places).collect();
    let starts = offsets::list(cluster, &places, Which::Earliest)?;
    let ends = offsets::list(cluster, &places, Which::Latest)?;
    let filled: Vec<_> =
        starts.into_iter().filter(|(place, start)| ends.get(place).is_some_and(|end| end > start)).collect();
    let mut findings = Vec::new();
    for some in filled.chunks(LOOKED_AT_ONCE) {
        let fetched = cluster.persist("looking at the first batches", |c, _| source::fetch(c, some, WAIT))?;
        for raw in fetched {
            let Ok(bytes) = raw.batches else { continue };
            let position = some.iter().find(|(place, _)| *place == raw.place).map_or(0, |(_, start)| *start);
            if let Err(why) = split(bytes, position) {
                findings.push(Finding::differs(
                    "layout",
                    raw.place.to_string(),
                    format!("{why}: it cannot be imported"),
                ));
            }
        }
    }
    Ok(findings)
}

fn features(cluster: &mut Cluster) -> Result<Vec<Finding>, ClientError> {
    let deadline = cluster.deadline();
    let request = ApiVersionsRequest {
        client_software_name: Str::from_static("forebay"),
        client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
    };
    let response = cluster.call(To::Anyone, &request, deadline)?;
    let in_force = response.finalized_features.iter().filter(|feature| feature.max_version_level > 0);
    Ok(in_force
        .map(|feature| {
            let text = format!("level {} is in force", feature.max_version_level);
            Finding::note("feature", feature.name.as_str(), text)
        })
        .collect())
}

fn groups(cluster: &mut Cluster) -> Result<Vec<Finding>, ClientError> {
    let listed = admin::list_groups(cluster)?;
    let finding = |group: &admin::GroupListing| {
        let (api, instead) = match group.kind.to_lowercase().as_str() {
            "consumer" => (
                ApiKey::ConsumerGroupHeartbeat,
                "its members need group.protocol=classic; its offsets come over",
            ),
            "share" => (ApiKey::ShareGroupHeartbeat, "neither its members nor its state can come over"),
            "streams" => (
                ApiKey::StreamsGroupHeartbeat,
                "its members need group.protocol=classic; its offsets do not come over",
            ),
            _ => return None,
        };
        let why = format!("{} is not served: {instead}", api.name());
        (!is_served(api)).then(|| Finding::differs("group", &group.group, why))
    };
    let mut findings: Vec<Finding> = listed.iter().filter_map(finding).collect();
    let shares = listed.iter().filter(|group| group.kind.eq_ignore_ascii_case("share"));
    findings.extend(shares.filter(|_| is_served(ApiKey::ShareGroupHeartbeat)).map(|group| {
        Finding::differs("group", &group.group, "what a share group has acknowledged does not come over")
    }));
    Ok(findings)
}

fn transactions(cluster: &mut Cluster) -> Result<Vec<Finding>, ClientError> {
    let request = ListTransactionsRequest::default();
    let requests: Vec<_> = cluster.nodes().into_iter().map(|node| (node, request.clone())).collect();
    let listed = cluster.persist("listing transactions", |cluster, deadline| {
        let mut listed = Vec::new();
        for response in cluster.call_each(&requests, deadline) {
            let response = response?;
            ClientError::check("listing transactions", response.error_code, None)?;
            listed.extend(response.transaction_states);
        }
        Ok(listed)
    })?;
    let open = listed.iter().filter(|one| UNDER_WAY.contains(&one.transaction_state.as_str()));
    let mut findings: Vec<Finding> = open
        .map(|one| {
            let text = format!("{}: it has to end before the cut-over", one.transaction_state);
            Finding::note("transaction", one.transactional_id.as_str(), text)
        })
        .collect();
    if !listed.is_empty() && !is_served(ApiKey::AddPartitionsToTxn) {
        findings.push(Finding::differs("transaction", "all", "transactions are not served"));
    } else if !listed.is_empty() {
        let text = format!(
            "{} transactional ids: none comes over, producers open them anew; a transaction lasts {} minutes at most here",
            listed.len(),
            TRANSACTION_TIMEOUT_MS_MAX / 60_000
        );
        findings.push(Finding::note("transaction", "all", text));
    }
    Ok(findings)
}

fn rules(cluster: &mut Cluster) -> Result<Vec<Finding>, ClientError> {
    let count = acls::read(cluster)?.map_or(0, |rules| rules.len());
    let finding = if is_served(ApiKey::CreateAcls) {
        Finding::note(
            "acl",
            "all",
            format!("{count} rules come over where the target holds requests against rules"),
        )
    } else {
        Finding::differs("acl", "all", format!("{count} rules: there is no access control here"))
    };
    Ok((count > 0).then_some(finding).into_iter().collect())
}

fn quotas(cluster: &mut Cluster) -> Result<Vec<Finding>, ClientError> {
    let request = DescribeClientQuotasRequest::default();
    let response = call(cluster, "describing quotas", &request)?;
    ClientError::check("describing quotas", response.error_code, None)?;
    let entries = response.entries.unwrap_or_default();
    let finding = |entry: &forebay_kafka::wire::messages::describe_client_quotas::EntryData| {
        let part = |part: &forebay_kafka::wire::messages::describe_client_quotas::EntityData| {
            format!("{} {}", part.entity_type, part.entity_name.as_ref().map_or("(default)", Str::as_str))
        };
        let subject = entry.entity.iter().map(part).collect::<Vec<_>>().join(", ");
        let names: Vec<&str> = entry.values.iter().map(|value| value.key.as_str()).collect();
        let text = format!("{} do not come over", names.join(", "));
        if is_served(ApiKey::AlterClientQuotas) {
            Finding::note("quota", subject, text)
        } else {
            Finding::differs("quota", subject, format!("{text}: there are no client quotas here"))
        }
    };
    Ok(entries.iter().map(finding).collect())
}

fn users(cluster: &mut Cluster) -> Result<Vec<Finding>, ClientError> {
    let response = call(cluster, "describing users", &DescribeUserScramCredentialsRequest::default())?;
    ClientError::check("describing users", response.error_code, None)?;
    let text = "its password is known to the cluster alone and does not come over";
    let finding = |user: &Str| {
        if is_served(ApiKey::AlterUserScramCredentials) {
            Finding::note("user", user.as_str(), text)
        } else {
            Finding::differs("user", user.as_str(), "there is no authentication here")
        }
    };
    Ok(response.results.iter().map(|result| finding(&result.user)).collect())
}

fn call<R: Request>(cluster: &mut Cluster, doing: &str, request: &R) -> Result<R::Response, ClientError> {
    cluster.persist(doing, |cluster, deadline| cluster.call(To::Controller, request, deadline))
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Kind, differences};
    use super::*;
    use crate::client::admin::TopicConfig;

    fn topic(name: &str, configs: &[(&str, &str, bool)]) -> SourceTopic {
        let config = |(name, value, default): &(&str, &str, bool)| TopicConfig {
            name: (*name).into(),
            value: Some((*value).into()),
            own: !default,
            default: *default,
        };
        let configs = configs.iter().map(config).collect();
        SourceTopic { name: name.into(), id: "id".into(), partitions: 1, copies: 3, configs }
    }

    #[test]
    fn a_default_is_told_once_and_is_no_difference() {
        let copies = ("min.insync.replicas", "2", true);
        let unknown = ("segment.bytes", "1073741824", true);
        let findings = settings(&[topic("a", &[copies, unknown]), topic("b", &[copies])]);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!((findings[0].kind, findings[0].area), (Kind::Note, "default"));
        assert_eq!(differences(&findings), 0);
    }

    #[test]
    fn a_setting_that_somebody_chose_and_that_is_refused_is_a_difference() {
        let findings = settings(&[topic("a", &[("min.insync.replicas", "2", false)])]);
        assert_eq!(differences(&findings), 1);
        assert!(copies(&[topic("a", &[])]).is_some_and(|finding| finding.kind == Kind::Note));
    }
}
