//! Logging in: whose a connection is, and the exchange in which it proves that.
//!
//! The front desk looks credentials up in its copy of the catalogue. A name that nobody has takes the same way as one that
//! somebody has, with a credential that is made up for it, and is told the same. A password that comes as it is (PLAIN) is salted
//! on a thread for jobs, once for each version of a credential: what was right once is recognised by one keyed hash.

mod hash;
mod plain;
mod salting;
mod scram;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use forebay_env::{Job, Random};
use forebay_machine::{Credential, CredentialKey};
use forebay_model::limits::{CREDENTIAL_ITERATIONS_MIN, LOGIN_BYTES_MAX};
use forebay_model::login::{Login, LoginStep, Mechanism};
use forebay_model::user::PasswordHash;
use forebay_model::{Principal, Refusal, Reply, Secret};

use crate::broker::{Connection, Inner, Replies, lock};
use crate::call::Asker;
use crate::meters::ConnectionMeter;
use crate::metrics::BrokerMetrics;
use crate::outbox::Delivered;
use plain::{Plain, Verified};
use salting::Saltings;
use scram::{ClientFirst, Exchange};

pub(crate) use hash::keys;

/// What of a password is sent to a broker that shall keep a credential of it: PBKDF2 (RFC 8018), some milliseconds of work.
pub fn salted_password(hash: PasswordHash, password: &[u8], salt: &[u8], iterations: u32) -> Secret {
    hash::salted(hash, password, salt, iterations).into()
}

/// Random bytes that [`salt`] takes.
pub const SALT_RANDOM_BYTES: usize = hash::SALT_RANDOM_BYTES;

/// A salt for a new credential, as other tools make theirs.
pub fn salt(random: [u8; SALT_RANDOM_BYTES]) -> Vec<u8> {
    hash::salt(random)
}

/// What all logins of a node share.
#[derive(Default)]
pub(crate) struct Logins {
    /// Drawn with the first login: what is made up, and what is remembered of passwords, comes of it.
    secret: OnceLock<[u8; 32]>,
    verified: Mutex<Verified>,
    saltings: Arc<Saltings>,
    /// Whether the node's copy of the catalogue has been brought up once since the node began.
    users_known: AtomicBool,
}

/// How far the login of one connection is.
#[derive(Default)]
pub(crate) struct LoginState {
    principal: OnceLock<Arc<Principal>>,
    /// The name it is about, and whether there is such a credential.
    exchange: Mutex<Option<(Exchange, CredentialKey, Standing)>>,
    /// Told whose the connection is.
    meter: Arc<ConnectionMeter>,
}

/// Whether a credential is somebody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Real,
    MadeUp,
}

impl LoginState {
    /// Nobody has logged in.
    pub(crate) fn new(meter: &Arc<ConnectionMeter>) -> LoginState {
        LoginState { meter: Arc::clone(meter), ..LoginState::default() }
    }

    /// Who logged in, if somebody did.
    pub(crate) fn principal(&self) -> Option<&Arc<Principal>> {
        self.principal.get()
    }

    /// The connection is somebody's who need not log in.
    pub(crate) fn identify(&self, principal: Principal) {
        self.meter.belongs_to(self.principal.get_or_init(|| Arc::new(principal)).name());
    }

    /// The connection is this user's from now on; once it is somebody's, it stays theirs.
    fn belongs_to(&self, name: &str) -> Result<Arc<Principal>, Refusal> {
        let principal = Principal::user(name).map_err(|_| Refusal::WrongCredentials)?;
        let owner = self.principal.get_or_init(|| Arc::new(principal.clone()));
        if **owner != principal {
            return Err(Refusal::Forbidden("a connection cannot become another principal's"));
        }
        self.meter.belongs_to(owner.name());
        Ok(Arc::clone(owner))
    }

    fn done(&self, name: &str, last_word: Vec<u8>) -> Result<LoginStep, Refusal> {
        let principal = self.belongs_to(name)?;
        Ok(LoginStep::Done { bytes: last_word.into(), principal })
    }
}

impl Inner {
    /// Takes one step of a login.
    pub(crate) fn login(&self, asker: Asker, login: Login, replies: &mut Replies) {
        let Some(connection) = self.connection(asker.connection) else { return };
        let step = match login.mechanism {
            _ if login.bytes.expose().len() > LOGIN_BYTES_MAX => {
                Err(Refusal::LimitReached { limit: "LOGIN_BYTES_MAX" })
            }
            _ if !self.knows_users() => Err(Refusal::Loading),
            Mechanism::Plain => return self.login_plainly(asker, connection, &login.bytes, replies),
            Mechanism::Scram(hash) if login.first => self.begin_scram(&connection.login, hash, &login.bytes),
            Mechanism::Scram(_) => end_scram(&connection.login, &login.bytes),
        };
        self.finish(&asker, Reply::Login(step), replies);
    }

    fn begin_scram(
        &self,
        state: &LoginState,
        hash: PasswordHash,
        message: &Secret,
    ) -> Result<LoginStep, Refusal> {
        let first = ClientFirst::read(message.expose())?;
        let key = CredentialKey { user: first.name.as_str().into(), hash };
        let (credential, standing) = self.credential(&key);
        let (exchange, answer) = Exchange::begin(&first, hash, credential, &self.nonce());
        *lock(&state.exchange) = Some((exchange, key, standing));
        Ok(LoginStep::Continue(answer.into_bytes().into()))
    }

    fn login_plainly(
        &self,
        asker: Asker,
        connection: Arc<Connection>,
        message: &Secret,
        replies: &mut Replies,
    ) {
        let plain = match Plain::read(message.expose()) {
            Ok(plain) => plain,
            Err(refusal) => return self.finish(&asker, Reply::Login(Err(refusal)), replies),
        };
        let (key, credential, standing) = self.any_credential(&plain.name);
        let tag = plain::tag(self.logins.secret(&*self.env.random), &plain.password);
        if lock(&self.logins.verified).has(&key, &credential, &tag) {
            let step = connection.login.done(&plain.name, Vec::new());
            return self.finish(&asker, Reply::Login(step), replies);
        }
        let (logins, metrics) = (Arc::clone(&self.logins), Arc::clone(&self.metrics));
        let told = asker.clone();
        let job: Job = Box::new(move || {
            let is_right = plain::is_right(key.hash, &credential, &plain.password);
            let step = if is_right && standing == Standing::Real {
                lock(&logins.verified).remember(key, &credential, tag);
                connection.login.done(&plain.name, Vec::new())
            } else {
                Err(Refusal::WrongCredentials)
            };
            deliver(&told, step, &metrics);
        });
        if !self.logins.saltings.begin(&self.env.spawn, job) {
            self.finish(&asker, Reply::Login(Err(Refusal::Busy)), replies);
        }
    }

    /// Whether a user that is not in the catalogue does not exist: a node that began a moment ago has not read all of its log yet, and
    /// who is told that they are wrong does not try again.
    fn knows_users(&self) -> bool {
        let known = &self.logins.users_known;
        if !known.load(Ordering::Acquire) && self.shards.catalogue().board.status().leader.is_some() {
            known.store(true, Ordering::Release);
        }
        known.load(Ordering::Acquire)
    }

    /// The credential that a password is checked with, of those that the user has.
    fn any_credential(&self, name: &str) -> (CredentialKey, Arc<Credential>, Standing) {
        let [first, second] = PasswordHash::ALL.map(|hash| CredentialKey { user: name.into(), hash });
        let (credential, standing) = self.credential(&first);
        if standing == Standing::MadeUp
            && let (other, Standing::Real) = self.credential(&second)
        {
            return (second, other, Standing::Real);
        }
        (first, credential, standing)
    }

    /// The user's credential, or one that is made up: the same each time, and nobody knows a password for it.
    fn credential(&self, key: &CredentialKey) -> (Arc<Credential>, Standing) {
        // Made up in any case, so that it takes the same time.
        let made_up = made_up(self.logins.secret(&*self.env.random), key);
        match self.catalogue().users().credential(key) {
            Some(credential) => (Arc::clone(credential), Standing::Real),
            None => (Arc::new(made_up), Standing::MadeUp),
        }
    }

    /// 192 random bits.
    fn nonce(&self) -> String {
        (0..3).map(|_| format!("{:016x}", self.env.random.next_u64())).collect()
    }
}

impl Logins {
    fn secret(&self, random: &dyn Random) -> &[u8; 32] {
        self.secret.get_or_init(|| {
            let mut secret = [0; 32];
            for chunk in secret.chunks_exact_mut(8) {
                chunk.copy_from_slice(&random.next_u64().to_le_bytes());
            }
            secret
        })
    }
}

fn end_scram(state: &LoginState, message: &Secret) -> Result<LoginStep, Refusal> {
    let Some((exchange, key, standing)) = lock(&state.exchange).take() else {
        return Err(Refusal::InvalidRequest("the login has not begun".into()));
    };
    let last_word = exchange.finish(message.expose())?;
    match standing {
        Standing::Real => state.done(&key.user, last_word.into_bytes()),
        Standing::MadeUp => Err(Refusal::WrongCredentials),
    }
}

fn made_up(secret: &[u8], key: &CredentialKey) -> Credential {
    let derive = |what: &[u8]| hmac(secret, what, key);
    let mut number = [0; SALT_RANDOM_BYTES];
    number.iter_mut().zip(derive(b"salt")).for_each(|(byte, derived)| *byte = derived);
    Credential {
        salt: salt(number).into(),
        iterations: CREDENTIAL_ITERATIONS_MIN,
        stored_key: derive(b"stored").into(),
        server_key: derive(b"server").into(),
    }
}

fn hmac(secret: &[u8], what: &[u8], key: &CredentialKey) -> Vec<u8> {
    hash::hmac(key.hash, secret, &[what, key.user.as_bytes()])
}

/// Answers from the thread of a job.
fn deliver(asker: &Asker, step: Result<LoginStep, Refusal>, metrics: &BrokerMetrics) {
    let reply = Reply::Login(step);
    metrics.count_refusals(&reply);
    let delivered = Delivered { connection: asker.connection, token: asker.token, reply };
    asker.outbox.deliver(vec![delivered]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_up_is_the_same_each_time_and_looks_like_the_rest() {
        let key = |user: &str, hash| CredentialKey { user: user.into(), hash };
        let one = made_up(b"secret", &key("alice", PasswordHash::Sha256));
        assert_eq!(one, made_up(b"secret", &key("alice", PasswordHash::Sha256)));
        assert!((20..=26).contains(&one.salt.len()), "{:?}", one.salt);
        assert_eq!((one.stored_key.len(), one.iterations), (32, 4096));
        let others = [
            made_up(b"secret", &key("bob", PasswordHash::Sha256)),
            made_up(b"secret", &key("alice", PasswordHash::Sha512)),
            made_up(b"another", &key("alice", PasswordHash::Sha256)),
        ];
        assert!(others.iter().all(|other| other.salt != one.salt && other.stored_key != one.stored_key));
        assert!(one.salt.iter().all(u8::is_ascii_alphanumeric));
    }

    #[test]
    fn a_connection_stays_whose_it_is() {
        let state = LoginState::default();
        assert!(state.principal().is_none());
        assert_eq!(state.belongs_to("alice").map(|who| who.to_string()), Ok("User:alice".into()));
        assert!(matches!(state.belongs_to("bob"), Err(Refusal::Forbidden(_))));
        assert!(state.belongs_to("alice").is_ok());
        assert_eq!(state.principal().map(|who| who.to_string()), Some("User:alice".into()));
    }
}
