//! Users: with what they may log in, and changes of that. What is kept of a password is made here of what the asker sent.

use std::collections::BTreeSet;
use std::sync::Arc;

use forebay_machine::{Command, Credential, CredentialKey, SetCredential, Users};
use forebay_model::limits::{USERS_DESCRIBED_MAX, USERS_PER_REQUEST_MAX};
use forebay_model::user::{
    AlterUsers, AlteredUser, CredentialChange, CredentialView, DescribeUsers, DescribedUser, PasswordHash,
    UserChange, UserSelection,
};
use forebay_model::{Refusal, Reply, Request};
use forebay_shard::Answer;

use crate::broker::{Currency, Inner, Replies};
use crate::call::{Asker, Step};
use crate::login::keys;
use crate::provision::Change;
use crate::topics::{count_names, settle};

/// Changes of users that were proposed.
pub(crate) struct AlterUsersStep {
    names: Vec<String>,
    /// Refused before anything was proposed, by position.
    refused: Vec<Option<Refusal>>,
    timeout_ms: u32,
}

impl Inner {
    pub(crate) fn describe_users(
        &self,
        asker: Asker,
        describe: DescribeUsers,
        currency: Currency,
        replies: &mut Replies,
    ) {
        if let UserSelection::These(these) = &describe.users
            && these.len() > USERS_DESCRIBED_MAX
        {
            let why = format!("one request describes at most {USERS_DESCRIBED_MAX} users");
            let refused = Err(Refusal::InvalidRequest(why));
            return self.finish(&asker, Reply::DescribeUsers(refused), replies);
        }
        let catalogue = self.catalogue();
        let described = described(catalogue.users(), &describe.users);
        let missing = described.iter().any(|user| user.credentials == Err(Refusal::UnknownCredential));
        if missing && currency == Currency::Unknown {
            let step = Step::Unresolved(Box::new(Request::DescribeUsers(describe)));
            return self.after_barrier(asker, step, replies);
        }
        self.finish(&asker, Reply::DescribeUsers(Ok(described)), replies);
    }

    pub(crate) fn alter_users(&self, asker: Asker, alter: AlterUsers, replies: &mut Replies) {
        let mut refused = Vec::new();
        let mut commands = Vec::new();
        let named = count_names(alter.changes.iter().map(|change| change.name.as_str()));
        for (at, change) in alter.changes.iter().enumerate() {
            // Looked at in this order, for a command takes some hashing.
            let made = if at >= USERS_PER_REQUEST_MAX {
                Err(Refusal::LimitReached { limit: "USERS_PER_REQUEST_MAX" })
            } else if named.get(change.name.as_str()).is_some_and(|times| *times > 1) {
                Err(Refusal::DuplicateItem)
            } else {
                command(change)
            };
            match made {
                Ok(command) => {
                    refused.push(None);
                    commands.push(command);
                }
                Err(refusal) => refused.push(Some(refusal)),
            }
        }
        let timeout_ms = alter.timeout_ms;
        let names = alter.changes.into_iter().map(|change| change.name).collect();
        let step = AlterUsersStep { names, refused, timeout_ms };
        if commands.is_empty() {
            return self.finish(&asker, Reply::AlterUsers(step.altered(None)), replies);
        }
        self.propose(asker, Step::AlterUsers(step), commands, replies);
    }

    /// Shard 0 has answered.
    pub(crate) fn users_altered(
        &self,
        asker: Asker,
        mut step: AlterUsersStep,
        answer: Answer,
        replies: &mut Replies,
    ) {
        let version = settle(&mut step.refused, answer);
        let timeout_ms = step.timeout_ms;
        self.when_provisioned(asker, version, timeout_ms, Change::UsersAltered(step), replies);
    }
}

impl AlterUsersStep {
    /// How each change went; `late` where the nodes have not caught up with those that were not refused.
    pub(crate) fn altered(self, late: Option<Refusal>) -> Vec<AlteredUser> {
        let result = |(name, refused): (String, Option<Refusal>)| AlteredUser {
            name,
            result: refused.or_else(|| late.clone()).map_or(Ok(()), Err),
        };
        self.names.into_iter().zip(self.refused).map(result).collect()
    }
}

fn command(change: &UserChange) -> Result<Command, Refusal> {
    if change.name.is_empty() {
        return Err(Refusal::InvalidCredential("the name of a user is not empty".into()));
    }
    let key = CredentialKey { user: Arc::from(change.name.as_str()), hash: change.hash };
    match &change.change {
        CredentialChange::Remove => Ok(Command::RemoveCredential { key }),
        CredentialChange::Set { iterations, salt, salted_password } => {
            let bytes = key.hash.bytes();
            if salted_password.expose().len() != bytes {
                let why = format!("a password salted for {} has {bytes} bytes", key.hash.mechanism_name());
                return Err(Refusal::InvalidCredential(why));
            }
            let keys = keys(key.hash, salted_password.expose());
            let credential = Credential {
                salt: salt.clone(),
                iterations: *iterations,
                stored_key: keys.stored.into(),
                server_key: keys.server.into(),
            };
            Ok(Command::SetCredential(SetCredential { key, credential }))
        }
    }
}

fn described(users: &Users, selection: &UserSelection) -> Vec<DescribedUser> {
    match selection {
        UserSelection::All => {
            let names: BTreeSet<&Arc<str>> = users.credentials().map(|(key, _)| &key.user).collect();
            names.into_iter().map(|name| describe(users, name)).collect()
        }
        UserSelection::These(these) => {
            let named = count_names(these.iter().map(String::as_str));
            let describe = |(name, times): (&str, usize)| match times {
                1 => describe(users, name),
                _ => DescribedUser { name: name.to_owned(), credentials: Err(Refusal::DuplicateItem) },
            };
            named.into_iter().map(describe).collect()
        }
    }
}

fn describe(users: &Users, name: &str) -> DescribedUser {
    let view = |hash| {
        let credential = users.credential(&CredentialKey { user: name.into(), hash })?;
        Some(CredentialView { hash, iterations: credential.iterations })
    };
    let found: Vec<_> = PasswordHash::ALL.into_iter().filter_map(view).collect();
    let credentials = if found.is_empty() { Err(Refusal::UnknownCredential) } else { Ok(found) };
    DescribedUser { name: name.to_owned(), credentials }
}
