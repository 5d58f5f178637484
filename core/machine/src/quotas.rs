//! Quotas of clients: part of the catalogue, from machine version 3 on.

use std::sync::Arc;

use forebay_model::quota::{QuotaChange, QuotaEntity, QuotaName, QuotaRates, QuotaTable};
use forebay_model::{Refusal, SettingChange};

use crate::codec::{DecodeError, Reader, Writer};
use crate::limits::{QUOTA_NAME_BYTES_MAX, QUOTAS_MAX};

/// Carries out a change; says whether it changed anything.
pub(crate) fn alter(table: &mut Arc<QuotaTable>, change: &QuotaChange) -> Result<bool, Refusal> {
    check(change)?;
    let present = table.get(&change.entity).copied();
    let before = present.unwrap_or_default();
    let rates = QuotaRates {
        publish_bytes: change.publish_bytes.of(before.publish_bytes),
        read_bytes: change.read_bytes.of(before.read_bytes),
        work_nanos: change.work_nanos.of(before.work_nanos),
        connections: change.connections.of(before.connections),
    };
    if rates == before {
        return Ok(false);
    }
    if present.is_none() && table.len() >= QUOTAS_MAX {
        return Err(Refusal::LimitReached { limit: "QUOTAS_MAX" });
    }
    let table = Arc::make_mut(table);
    if rates == QuotaRates::default() {
        table.remove(&change.entity);
    } else {
        table.insert(change.entity.clone(), rates);
    }
    Ok(true)
}

/// Refuses what no state can make good.
pub fn check(change: &QuotaChange) -> Result<(), Refusal> {
    let asked = [change.publish_bytes, change.read_bytes, change.work_nanos];
    let is_set = |change: &SettingChange<u64>| matches!(change, SettingChange::Set(_));
    match &change.entity {
        QuotaEntity::Client { user: None, client: None } => {
            return Err(Refusal::InvalidRequest(
                "a quota is for a user, a client, both, or an address".into(),
            ));
        }
        QuotaEntity::Client { user, client } => {
            [user, client].into_iter().flatten().try_for_each(check_name)?;
            if is_set(&change.connections) {
                return Err(Refusal::InvalidRequest("new connections are counted by address".into()));
            }
        }
        QuotaEntity::Address(address) => {
            check_name(address)?;
            if asked.iter().any(is_set) {
                return Err(Refusal::InvalidRequest("of an address, new connections are counted".into()));
            }
        }
    }
    // Who may do nothing at all would never be heard again.
    if asked.into_iter().chain([change.connections]).any(|change| change == SettingChange::Set(0)) {
        return Err(Refusal::InvalidRequest("a quota is above 0".into()));
    }
    Ok(())
}

fn check_name(name: &QuotaName) -> Result<(), Refusal> {
    match name {
        QuotaName::Named(name) if name.is_empty() => {
            Err(Refusal::InvalidRequest("nobody has an empty name".into()))
        }
        QuotaName::Named(name) if name.len() > QUOTA_NAME_BYTES_MAX => {
            Err(Refusal::LimitReached { limit: "QUOTA_NAME_BYTES_MAX" })
        }
        QuotaName::Named(_) | QuotaName::Default => Ok(()),
    }
}

pub(crate) fn encode(table: &QuotaTable, out: &mut Writer) {
    out.list(table.iter(), |out, (who, rates)| {
        entity(who, out);
        out.option(rates.publish_bytes, |out, bytes| out.uint(bytes));
        out.option(rates.read_bytes, |out, bytes| out.uint(bytes));
        out.option(rates.work_nanos, |out, nanos| out.uint(nanos));
        out.option(rates.connections, |out, connections| out.uint(connections));
    });
}

pub(crate) fn decode(input: &mut Reader<'_>) -> Result<QuotaTable, DecodeError> {
    let quotas = input.list("the quotas", |input| {
        let who = decode_entity(input)?;
        let mut rate = || input.option("a quota", |input| input.uint("a quota"));
        let (publish_bytes, read_bytes, work_nanos, connections) = (rate()?, rate()?, rate()?, rate()?);
        Ok((who, QuotaRates { publish_bytes, read_bytes, work_nanos, connections }))
    })?;
    let in_order = quotas.is_sorted_by(|(a, _), (b, _)| a < b);
    let has_all = quotas.iter().all(|(_, rates)| *rates != QuotaRates::default());
    if !in_order || !has_all || quotas.len() > QUOTAS_MAX {
        return Err(DecodeError::Invalid("the quotas"));
    }
    Ok(quotas.into_iter().collect())
}

/// Shared with the command.
pub(crate) fn entity(entity: &QuotaEntity, out: &mut Writer) {
    match entity {
        QuotaEntity::Client { user, client } => {
            out.u8(0);
            name(user.as_ref(), out);
            name(client.as_ref(), out);
        }
        QuotaEntity::Address(address) => {
            out.u8(1);
            name(Some(address), out);
        }
    }
}

fn name(name: Option<&QuotaName>, out: &mut Writer) {
    match name {
        None => out.u8(0),
        Some(QuotaName::Default) => out.u8(1),
        Some(QuotaName::Named(name)) => {
            out.u8(2);
            out.text(name);
        }
    }
}

/// Shared with the command.
pub(crate) fn decode_entity(input: &mut Reader<'_>) -> Result<QuotaEntity, DecodeError> {
    match input.u8("whom a quota is for")? {
        0 => Ok(QuotaEntity::Client { user: decode_name(input)?, client: decode_name(input)? }),
        1 => {
            let address = decode_name(input)?.ok_or(DecodeError::Invalid("whom a quota is for"))?;
            Ok(QuotaEntity::Address(address))
        }
        _ => Err(DecodeError::Invalid("whom a quota is for")),
    }
}

fn decode_name(input: &mut Reader<'_>) -> Result<Option<QuotaName>, DecodeError> {
    match input.u8("whom a quota is for")? {
        0 => Ok(None),
        1 => Ok(Some(QuotaName::Default)),
        2 => Ok(Some(QuotaName::Named(input.text("whom a quota is for")?.into()))),
        _ => Err(DecodeError::Invalid("whom a quota is for")),
    }
}

#[cfg(test)]
mod tests {
    use forebay_model::SettingChange::{Clear, Keep, Set};

    use super::*;

    fn of(user: Option<QuotaName>, client: Option<QuotaName>) -> QuotaChange {
        QuotaChange::of(QuotaEntity::Client { user, client })
    }

    fn named(name: &str) -> Option<QuotaName> {
        Some(QuotaName::Named(name.into()))
    }

    #[test]
    fn quotas_of_one_entity_change_by_themselves_and_the_last_takes_the_entity_away() {
        let mut table = Arc::default();
        let change =
            |publish_bytes, read_bytes| QuotaChange { publish_bytes, read_bytes, ..of(None, named("c")) };
        assert_eq!(alter(&mut table, &change(Set(5), Keep)), Ok(true));
        assert_eq!(alter(&mut table, &change(Keep, Set(6))), Ok(true));
        assert_eq!(alter(&mut table, &change(Keep, Set(6))), Ok(false), "that is no change");
        let work = QuotaChange { work_nanos: Set(7), ..of(None, named("c")) };
        assert_eq!(alter(&mut table, &work), Ok(true));
        let rates = QuotaRates {
            publish_bytes: Some(5),
            read_bytes: Some(6),
            work_nanos: Some(7),
            connections: None,
        };
        assert_eq!(table.values().collect::<Vec<_>>(), [&rates]);
        assert_eq!(alter(&mut table, &change(Clear, Keep)), Ok(true));
        assert_eq!(alter(&mut table, &change(Keep, Clear)), Ok(true));
        assert_eq!(table.len(), 1, "one is left");
        assert_eq!(alter(&mut table, &QuotaChange { work_nanos: Clear, ..work }), Ok(true));
        assert!(table.is_empty());
    }

    #[test]
    fn a_quota_is_for_somebody_with_a_name_that_fits() {
        let refused = |change: &QuotaChange| check(change).is_err();
        assert!(refused(&of(None, None)) && refused(&of(named(""), None)));
        assert!(refused(&of(None, named(&"n".repeat(QUOTA_NAME_BYTES_MAX + 1)))));
        assert!(!refused(&of(Some(QuotaName::Default), named("c"))));
        assert!(refused(&QuotaChange { work_nanos: Set(0), ..of(None, named("c")) }));
        assert!(refused(&QuotaChange { connections: Set(5), ..of(None, named("c")) }));
        let address = || QuotaChange::of(QuotaEntity::Address(QuotaName::Default));
        assert!(!refused(&QuotaChange { connections: Set(5), ..address() }));
        assert!(refused(&QuotaChange { read_bytes: Set(5), ..address() }));
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let mut table = Arc::default();
        let change = |n: usize| QuotaChange { publish_bytes: Set(1), ..of(None, named(&n.to_string())) };
        (0..QUOTAS_MAX).for_each(|n| assert_eq!(alter(&mut table, &change(n)), Ok(true)));
        let full = alter(&mut table, &change(QUOTAS_MAX));
        assert_eq!(full, Err(Refusal::LimitReached { limit: "QUOTAS_MAX" }));
        let faster = QuotaChange { publish_bytes: Set(2), ..change(7) };
        assert_eq!(alter(&mut table, &faster), Ok(true), "those that are there may change");
    }
}
