//! DescribeClientQuotas.

use std::collections::BTreeMap;

use forebay_kit::SessionError;
use forebay_kit::model::{Reply, Request};

use super::{ADDRESS, CLIENT, USER, parts, values};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::open::{Replies, strange};
use crate::wire::float64::Float64;
use crate::wire::messages::describe_client_quotas::{ComponentData, EntityData, EntryData, ValueData};
use crate::wire::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
use crate::wire::{ErrorCode, Str};

/// What a part of an entity has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Match {
    /// This name.
    Name(Str),
    /// The default.
    Default,
    /// Anything.
    Any,
}

/// What was asked for, or what is wrong with it, which is told to who may ask.
pub(in crate::session) struct Asked(Result<Filter, Wrong>);

/// What has to hold of an entity.
struct Filter {
    components: BTreeMap<Str, Match>,
    /// Whether it may have no other parts.
    strict: bool,
}

/// Why a filter is none.
type Wrong = (ErrorCode, String);

pub(in crate::session) fn ask(
    _: &mut Asking<'_>,
    request: DescribeClientQuotasRequest,
) -> Step<DescribeClientQuotasResponse> {
    let filter = components(&request.components);
    let filter = filter.map(|components| Filter { components, strict: request.strict });
    Step::One(Request::DescribeQuotas, Asked(filter).into())
}

fn refused(error_code: ErrorCode, error_message: Option<Str>) -> DescribeClientQuotasResponse {
    DescribeClientQuotasResponse { error_code, error_message, entries: None, ..Default::default() }
}

fn components(asked: &[ComponentData]) -> Result<BTreeMap<Str, Match>, Wrong> {
    let invalid = |why: String| (ErrorCode::InvalidRequest, why);
    let mut components = BTreeMap::new();
    for component in asked {
        let kind = component.entity_type.as_str();
        match kind {
            USER | CLIENT | ADDRESS => {}
            "" => return Err(invalid("Unexpected empty filter component entity type.".into())),
            _ => {
                let why = format!("Custom entity type '{kind}' not supported");
                return Err((ErrorCode::UnsupportedVersion, why));
            }
        }
        let wanted = matching(component).map_err(invalid)?;
        if components.insert(component.entity_type.detached(), wanted).is_some() {
            return Err(invalid(format!("Entity type {kind} cannot appear more than once in the filter.")));
        }
    }
    if components.len() > 1 && components.keys().any(|kind| kind.as_str() == ADDRESS) {
        let why = "Invalid entity filter component combination, specified IP filter component should not be \
                   combined with user or clientId filter components.";
        return Err(invalid(why.into()));
    }
    Ok(components)
}

fn matching(component: &ComponentData) -> Result<Match, String> {
    match (component.match_type, &component.r#match) {
        (0, Some(name)) => Ok(Match::Name(name.detached())),
        (0, None) => Err("Request specified MATCH_TYPE_EXACT, but set match string to null.".into()),
        (1, None) => Ok(Match::Default),
        (1, Some(_)) => {
            Err("Request specified MATCH_TYPE_DEFAULT, but also specified a match string.".into())
        }
        (2, None) => Ok(Match::Any),
        (2, Some(_)) => {
            Err("Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.".into())
        }
        (other, _) => Err(format!("Unknown match type {other}")),
    }
}

impl Filter {
    fn holds(&self, entity: &[(&'static str, Option<Str>)]) -> bool {
        if self.strict && entity.len() != self.components.len() {
            return false;
        }
        self.components.iter().all(|(kind, wanted)| {
            let part = entity.iter().find(|(is, _)| *is == kind.as_str());
            part.is_some_and(|(_, name)| match wanted {
                Match::Name(wanted) => name.as_ref() == Some(wanted),
                Match::Default => name.is_none(),
                Match::Any => true,
            })
        })
    }
}

impl Answer for Asked {
    type Response = DescribeClientQuotasResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<DescribeClientQuotasResponse, SessionError> {
        let Reply::DescribeQuotas(quotas) = replies.one()? else { return Err(strange("DescribeQuotas")) };
        let quotas = match quotas {
            Ok(quotas) => quotas,
            Err(refusal) => {
                return Ok(refused(errors::code(&refusal, Area::Catalogue), errors::message(&refusal)));
            }
        };
        let filter = match self.0 {
            Ok(filter) => filter,
            Err((code, why)) => return Ok(refused(code, Some(Str::from(why)))),
        };
        let entries = quotas.iter().filter_map(|(entity, rates)| {
            let parts = parts(entity);
            filter.holds(&parts).then(|| EntryData {
                entity: parts
                    .into_iter()
                    .map(|(kind, entity_name)| EntityData {
                        entity_type: Str::from_static(kind),
                        entity_name,
                    })
                    .collect(),
                values: values(rates)
                    .map(|(key, value)| ValueData { key: Str::from_static(key), value: Float64::from(value) })
                    .collect(),
            })
        });
        Ok(DescribeClientQuotasResponse { entries: Some(entries.collect()), ..Default::default() })
    }
}
