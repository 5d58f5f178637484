//! AlterUserScramCredentials: a user is named once in a request, whatever its mechanisms, and answered once.

use std::collections::BTreeMap;

use forebay_kit::SessionError;
use forebay_kit::model::user::{AlterUsers, AlteredUser, CredentialChange, PasswordHash, UserChange};
use forebay_kit::model::{Reply, Request};

use super::{code, hash};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors;
use crate::session::open::{Replies, strange};
use crate::wire::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsResult, ScramCredentialUpsertion,
};
use crate::wire::messages::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};
use crate::wire::{ErrorCode, Str};

/// The request has no timeout of its own.
const TIMEOUT_MS: u32 = 30_000;

/// The answers that are known already.
pub(in crate::session) struct Asked(Vec<AlterUserScramCredentialsResult>);

pub(in crate::session) fn ask(
    _: &mut Asking<'_>,
    request: AlterUserScramCredentialsRequest,
) -> Step<AlterUserScramCredentialsResponse> {
    let mut by_user: BTreeMap<Str, Vec<Option<UserChange>>> = BTreeMap::new();
    for deletion in &request.deletions {
        let change =
            hash(deletion.mechanism).map(|hash| change(&deletion.name, hash, CredentialChange::Remove));
        by_user.entry(deletion.name.detached()).or_default().push(change);
    }
    for upsertion in request.upsertions {
        let name = upsertion.name.detached();
        let change = hash(upsertion.mechanism).map(|hash| change(&name, hash, set(upsertion)));
        by_user.entry(name).or_default().push(change);
    }
    let mut results = Vec::new();
    let mut changes = Vec::new();
    for (user, mut asked) in by_user {
        match (asked.pop(), asked.is_empty()) {
            (Some(Some(change)), true) => changes.push(change),
            (Some(None), true) => {
                let why = "Unknown SCRAM mechanism";
                results.push(refused(user, ErrorCode::UnsupportedSaslMechanism, why));
            }
            _ => {
                let why = "A user credential cannot be altered twice in the same request";
                results.push(refused(user, ErrorCode::DuplicateResource, why));
            }
        }
    }
    if changes.is_empty() {
        return Step::Answer(AlterUserScramCredentialsResponse { results, ..Default::default() });
    }
    let alter = AlterUsers { changes, timeout_ms: TIMEOUT_MS };
    Step::One(Request::AlterUsers(alter), Asked(results).into())
}

fn change(name: &Str, hash: PasswordHash, change: CredentialChange) -> UserChange {
    UserChange { name: name.as_str().to_owned(), hash, change }
}

fn set(upsertion: ScramCredentialUpsertion) -> CredentialChange {
    CredentialChange::Set {
        // Fewer than none are too few.
        iterations: u32::try_from(upsertion.iterations).unwrap_or(0),
        salt: upsertion.salt.into_bytes(),
        salted_password: upsertion.salted_password.into_bytes().into(),
    }
}

fn refused(user: Str, error_code: ErrorCode, why: &'static str) -> AlterUserScramCredentialsResult {
    AlterUserScramCredentialsResult { user, error_code, error_message: Some(Str::from_static(why)) }
}

impl Answer for Asked {
    type Response = AlterUserScramCredentialsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<AlterUserScramCredentialsResponse, SessionError> {
        let Reply::AlterUsers(altered) = replies.one()? else { return Err(strange("AlterUsers")) };
        let Asked(mut results) = self;
        results.extend(altered.into_iter().map(result));
        Ok(AlterUserScramCredentialsResponse { results, ..Default::default() })
    }
}

fn result(user: AlteredUser) -> AlterUserScramCredentialsResult {
    let refusal = user.result.err();
    AlterUserScramCredentialsResult {
        user: Str::from(user.name),
        error_code: refusal.as_ref().map(code).unwrap_or_default(),
        error_message: refusal.as_ref().and_then(errors::message),
    }
}
