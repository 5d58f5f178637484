//! AlterClientQuotas.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use forebay_kit::SessionError;
use forebay_kit::model::acl::{Operation, ResourceKind};
use forebay_kit::model::quota::{AlterQuotas, QuotaChange, QuotaEntity, QuotaName};
use forebay_kit::model::{Reply, Request, SettingChange};

use super::{
    ADDRESS, CLIENT, CONNECTIONS, MUTATIONS, NANOS_PER_PERCENT, PUBLISH_BYTES, READ_BYTES, USER, WORK,
};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::open::{Replies, strange};
use crate::session::rights;
use crate::wire::messages::alter_client_quotas::{EntityData, EntryData, EntryResult, OpData};
use crate::wire::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use crate::wire::{ErrorCode, Str};

/// Numbers above this cannot be told from their neighbours, and no client is that fast.
const RATE_MAX: f64 = i64::MAX as f64;
/// What a whole number may be off.
const FRACTION_MAX: f64 = 1e-6;

/// The response to be: entries that wait for their answer, in order, are marked.
pub(in crate::session) struct Asked(Vec<(EntryResult, bool)>);

pub(in crate::session) fn ask(
    _: &mut Asking<'_>,
    request: AlterClientQuotasRequest,
) -> Step<AlterClientQuotasResponse> {
    let wanted: Vec<_> = request.entries.iter().map(change).collect();
    let mut named: BTreeMap<QuotaEntity, usize> = BTreeMap::new();
    for change in wanted.iter().flatten() {
        *named.entry(change.entity.clone()).or_default() += 1;
    }
    let mut changes = Vec::new();
    let mut entries = Vec::with_capacity(request.entries.len());
    for (entry, change) in request.entries.iter().zip(wanted) {
        let mut result =
            EntryResult { entity: entry.entity.iter().map(detached).collect(), ..Default::default() };
        let change = change.and_then(|change| match named[&change.entity] {
            1 => Ok(change),
            _ => Err("Ignoring duplicate entity".to_owned()),
        });
        entries.push(match change {
            Ok(change) => {
                changes.push(change);
                (result, true)
            }
            Err(why) => {
                result.error_code = ErrorCode::InvalidRequest;
                result.error_message = Some(Str::from(why));
                (result, false)
            }
        });
    }
    // Who may not is told so, and not what is wrong.
    let mut requests = vec![rights::on_cluster()];
    if !changes.is_empty() {
        requests.push(Request::AlterQuotas(AlterQuotas { changes, dry_run: request.validate_only }));
    }
    Step::Many(requests, Asked(entries).into())
}

fn detached(part: &EntityData) -> EntityData {
    let entity_name = part.entity_name.as_ref().map(Str::detached);
    EntityData { entity_type: part.entity_type.detached(), entity_name }
}

/// What to change. Taking back what can never be set is no change, as in Apache Kafka.
fn change(entry: &EntryData) -> Result<QuotaChange, String> {
    let mut change = QuotaChange::of(entity(&entry.entity)?);
    let is_address = matches!(change.entity, QuotaEntity::Address(_));
    let mut keys = BTreeSet::new();
    for op in &entry.ops {
        let key = op.key.as_str();
        if !keys.insert(key) {
            return Err(format!("Duplicate quota key {key}"));
        }
        let (place, quota) = match (key, is_address) {
            (PUBLISH_BYTES, false) => (&mut change.publish_bytes, whole as Quota),
            (READ_BYTES, false) => (&mut change.read_bytes, whole as Quota),
            (WORK, false) => (&mut change.work_nanos, percentage as Quota),
            (CONNECTIONS, true) => (&mut change.connections, whole as Quota),
            _ if op.remove => continue,
            (MUTATIONS, false) => return Err(format!("{key} is not enforced here, so it cannot be set")),
            _ => return Err(format!("Invalid configuration key {key}")),
        };
        *place = if op.remove { SettingChange::Clear } else { SettingChange::Set(quota(op)?) };
    }
    Ok(change)
}

/// Reads the value of a quota.
type Quota = fn(&OpData) -> Result<u64, String>;

fn whole(op: &OpData) -> Result<u64, String> {
    let (key, value) = (op.key.as_str(), positive(op)?);
    if value >= RATE_MAX {
        return Err(format!("Proposed value for {key} is too large for a LONG."));
    }
    if (value % 1.0).abs() > FRACTION_MAX {
        return Err(format!("{key} cannot be a fractional value."));
    }
    // A number so small that it passed as a whole one would hold its clients back for ever.
    Ok((value as u64).max(1))
}

/// A hundred percent are one thread that does nothing else.
fn percentage(op: &OpData) -> Result<u64, String> {
    let nanos = (positive(op)? * NANOS_PER_PERCENT).round();
    if nanos >= RATE_MAX {
        return Err(format!("Proposed value for {} is too large.", op.key.as_str()));
    }
    Ok((nanos as u64).max(1))
}

fn positive(op: &OpData) -> Result<f64, String> {
    let value = op.value.get();
    if value.is_nan() || value <= 0.0 {
        return Err(format!("Quota {} must be greater than 0", op.key.as_str()));
    }
    Ok(value)
}

fn entity(parts: &[EntityData]) -> Result<QuotaEntity, String> {
    if parts.is_empty() {
        return Err("Invalid empty client quota entity".into());
    }
    let (mut user, mut client, mut address) = (None, None, None);
    for part in parts {
        let kind = part.entity_type.as_str();
        let name = match &part.entity_name {
            None => QuotaName::Default,
            Some(name) if name.is_empty() => return Err(format!("Empty {kind} not supported")),
            Some(name) => QuotaName::Named(name.as_str().into()),
        };
        let place = match kind {
            USER => &mut user,
            CLIENT => &mut client,
            ADDRESS => &mut address,
            _ => return Err(format!("Unhandled client quota entity type: {kind}")),
        };
        if place.replace(name).is_some() {
            return Err(format!("Invalid client quota entity, duplicate {kind}"));
        }
    }
    match address {
        None => Ok(QuotaEntity::Client { user, client }),
        Some(name) if user.is_none() && client.is_none() => plain(name).map(QuotaEntity::Address),
        Some(_) => {
            let why =
                "Invalid quota entity combination, IP entity should not be combined with User or ClientId";
            Err(why.into())
        }
    }
}

/// An address as the broker writes it. Apache Kafka also takes the name of a host and asks for its address.
fn plain(name: QuotaName) -> Result<QuotaName, String> {
    let QuotaName::Named(text) = &name else { return Ok(name) };
    let address: IpAddr = text.parse().map_err(|_| format!("{text} is not a valid IP"))?;
    Ok(QuotaName::Named(address.to_canonical().to_string().into()))
}

impl Answer for Asked {
    type Response = AlterClientQuotasResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<AlterClientQuotasResponse, SessionError> {
        let mut replies = replies.all().into_iter();
        let is_granted = rights::grants(replies.next(), Operation::AlterConfigs)?;
        let mut altered = match replies.next() {
            Some(Reply::AlterQuotas(altered)) => altered.into_iter(),
            None => Vec::new().into_iter(),
            Some(_) => return Err(strange("AlterQuotas")),
        };
        let Asked(asked) = self;
        let mut entries = Vec::with_capacity(asked.len());
        for (mut entry, waits) in asked {
            if !is_granted {
                entry.error_code = rights::code(ResourceKind::Cluster);
                entry.error_message = None;
                entries.push(entry);
                continue;
            }
            if waits
                && let Err(refusal) = altered.next().ok_or_else(|| strange("AlterQuotas of this length"))?
            {
                entry.error_code = errors::code(&refusal, Area::Catalogue);
                entry.error_message = errors::message(&refusal);
            }
            entries.push(entry);
        }
        Ok(AlterClientQuotasResponse { entries, ..Default::default() })
    }
}
