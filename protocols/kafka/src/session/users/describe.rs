//! DescribeUserScramCredentials: with which mechanisms users may authenticate.

use forebay_kit::SessionError;
use forebay_kit::model::user::{CredentialView, DescribeUsers, DescribedUser, UserSelection};
use forebay_kit::model::{Reply, Request};

use super::{code, number};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors;
use crate::session::open::{Replies, strange};
use crate::wire::Str;
use crate::wire::messages::describe_user_scram_credentials::{
    CredentialInfo, DescribeUserScramCredentialsResult,
};
use crate::wire::messages::{DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse};

pub(in crate::session) struct Asked;

pub(in crate::session) fn ask(
    _: &mut Asking<'_>,
    request: DescribeUserScramCredentialsRequest,
) -> Step<DescribeUserScramCredentialsResponse> {
    let users = match request.users {
        Some(users) if !users.is_empty() => {
            UserSelection::These(users.iter().map(|user| user.name.as_str().to_owned()).collect())
        }
        _ => UserSelection::All,
    };
    Step::One(Request::DescribeUsers(DescribeUsers { users }), Asked.into())
}

impl Answer for Asked {
    type Response = DescribeUserScramCredentialsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<DescribeUserScramCredentialsResponse, SessionError> {
        let Reply::DescribeUsers(users) = replies.one()? else { return Err(strange("DescribeUsers")) };
        Ok(match users {
            Ok(users) => DescribeUserScramCredentialsResponse {
                results: users.into_iter().map(result).collect(),
                ..Default::default()
            },
            Err(refusal) => DescribeUserScramCredentialsResponse {
                error_code: code(&refusal),
                error_message: errors::message(&refusal),
                ..Default::default()
            },
        })
    }
}

fn result(user: DescribedUser) -> DescribeUserScramCredentialsResult {
    let name = Str::from(user.name);
    match user.credentials {
        Ok(credentials) => DescribeUserScramCredentialsResult {
            user: name,
            credential_infos: credentials.into_iter().map(info).collect(),
            ..Default::default()
        },
        Err(refusal) => DescribeUserScramCredentialsResult {
            user: name,
            error_code: code(&refusal),
            error_message: errors::message(&refusal),
            ..Default::default()
        },
    }
}

fn info(credential: CredentialView) -> CredentialInfo {
    let iterations = i32::try_from(credential.iterations).unwrap_or(i32::MAX);
    CredentialInfo { mechanism: number(credential.hash), iterations }
}
