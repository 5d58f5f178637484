//! Users of a node, and their logins at its front desk.

#[allow(dead_code, reason = "the other tests use the rest")]
mod common;

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use forebay_model::login::{Login, LoginStep, Mechanism};
use forebay_model::user::{
    AlterUsers, CredentialChange, CredentialView, DescribeUsers, PasswordHash, UserChange, UserSelection,
};
use forebay_model::{Refusal, Reply, Request, Secret};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use common::{PATIENCE, Running, config};

const SCRAM: Mechanism = Mechanism::Scram(PasswordHash::Sha256);

/// "password", salted 4096 times with "salt": the widely published values of PBKDF2.
const SALTED_256: &str = "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a";
const SALTED_512: &str = "d197b1b33db0143e018b12f3d1d1479e6cdebdcc97c5c0f87f6902e072f457b5\
                          143f30602641b3d55cd335988cb36b84376060ecd532e039b742a239434af2d5";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn set(name: &str, hash: PasswordHash) -> UserChange {
    let salted = match hash {
        PasswordHash::Sha256 => SALTED_256,
        PasswordHash::Sha512 => SALTED_512,
    };
    let salt = Bytes::from_static(b"salt");
    let change = CredentialChange::Set { iterations: 4096, salt, salted_password: bytes(salted).into() };
    UserChange { name: name.into(), hash, change }
}

fn remove(name: &str, hash: PasswordHash) -> UserChange {
    UserChange { name: name.into(), hash, change: CredentialChange::Remove }
}

impl Running {
    fn alter_users(&self, changes: Vec<UserChange>) -> Vec<Result<(), Refusal>> {
        let reply = self.ask(Request::AlterUsers(AlterUsers { changes, timeout_ms: 10_000 }));
        let Reply::AlterUsers(altered) = reply else { panic!("{reply:?}") };
        altered.into_iter().map(|user| user.result).collect()
    }

    fn users(&self, users: UserSelection) -> Vec<(String, Result<Vec<CredentialView>, Refusal>)> {
        let reply = self.ask(Request::DescribeUsers(DescribeUsers { users }));
        let Reply::DescribeUsers(Ok(described)) = reply else { panic!("{reply:?}") };
        described.into_iter().map(|user| (user.name, user.credentials)).collect()
    }

    fn step(&self, over: u64, mechanism: Mechanism, first: bool, said: &[u8]) -> Result<LoginStep, Refusal> {
        let login = Login { mechanism, first, bytes: Secret::from(said.to_vec()) };
        match self.ask_over(over, Request::Login(login)) {
            Reply::Login(step) => step,
            other => panic!("{other:?}"),
        }
    }

    /// Who it is that logs in with a name and a password as they are.
    fn plain(&self, over: u64, name: &str, password: &str) -> Result<String, Refusal> {
        self.connect(over);
        whose(self.step(over, Mechanism::Plain, true, format!("\0{name}\0{password}").as_bytes()))
    }

    /// The same with the proof that the password is "password"; and the salt that the server named.
    fn scram(&self, over: u64, name: &str, salted: &[u8]) -> (String, Result<String, Refusal>) {
        self.connect(over);
        let first = format!("n={name},r=mine");
        let challenge = match self.step(over, SCRAM, true, format!("n,,{first}").as_bytes()) {
            Ok(LoginStep::Continue(challenge)) => String::from_utf8(challenge.expose().to_vec()).unwrap(),
            other => panic!("{other:?}"),
        };
        let named: Vec<&str> = challenge.split(',').collect();
        let [nonce, salt, iterations] = named[..] else { panic!("{challenge}") };
        assert!(nonce.starts_with("r=mine") && nonce.len() > 30 && iterations == "i=4096", "{challenge}");
        let proven = format!("c=biws,{nonce}");
        let key = hmac(salted, b"Client Key");
        let said = format!("{first},{challenge},{proven}");
        let mask = hmac(&Sha256::digest(&key), said.as_bytes());
        let proof: Vec<u8> = key.iter().zip(mask).map(|(key, mask)| key ^ mask).collect();
        let last = format!("{proven},p={}", BASE64.encode(proof));
        (salt.to_owned(), whose(self.step(over, SCRAM, false, last.as_bytes())))
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn whose(step: Result<LoginStep, Refusal>) -> Result<String, Refusal> {
    step.map(|step| match step {
        LoginStep::Done { principal, .. } => principal.to_string(),
        LoginStep::Continue(_) => panic!("it goes on"),
    })
}

/// A node whose shards are led: before, logins are told to come again.
fn node(dir: &std::path::Path) -> Running {
    let node = Running::open(&forebay_env::real::env(), &config(dir), |_| ()).0;
    let until = Instant::now() + PATIENCE;
    while node.desk.shards().iter().any(|shard| shard.board.status().leader.is_none()) {
        assert!(Instant::now() < until, "no shard is led");
        std::thread::sleep(Duration::from_millis(1));
    }
    node
}

const ALICE: &str = "User:alice";

#[test]
fn users_log_in_as_long_as_they_have_a_credential() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    let (small, large) = (PasswordHash::Sha256, PasswordHash::Sha512);
    assert_eq!(node.plain(2, "alice", "password"), Err(Refusal::WrongCredentials));
    assert_eq!(node.alter_users(vec![set("alice", small), set("bob", large)]), [Ok(()), Ok(())]);
    // The second time it is known to be right.
    for over in [3, 4] {
        assert_eq!(node.plain(over, "alice", "password"), Ok(ALICE.into()));
        assert_eq!(node.plain(over + 10, "bob", "password"), Ok("User:bob".into()));
        assert_eq!(node.plain(over + 20, "alice", "Password"), Err(Refusal::WrongCredentials));
        assert_eq!(node.plain(over + 30, "carol", "password"), Err(Refusal::WrongCredentials));
    }
    assert_eq!(node.alter_users(vec![remove("alice", small)]), [Ok(())]);
    assert_eq!(node.plain(5, "alice", "password"), Err(Refusal::WrongCredentials));
    node.close();
}

#[test]
fn a_proof_is_as_good_and_an_unknown_name_looks_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    assert_eq!(node.alter_users(vec![set("alice", PasswordHash::Sha256)]), [Ok(())]);
    let right = bytes(SALTED_256);
    assert_eq!(node.scram(2, "alice", &right), ("s=c2FsdA==".into(), Ok(ALICE.into())));
    assert_eq!(node.scram(3, "alice", &[1; 32]).1, Err(Refusal::WrongCredentials));
    let (salt, refused) = node.scram(4, "mallory", &right);
    assert_eq!(refused, Err(Refusal::WrongCredentials));
    assert_eq!(node.scram(5, "mallory", &right), (salt.clone(), Err(Refusal::WrongCredentials)));
    assert_ne!(node.scram(6, "trudy", &right).0, salt);
    node.close();
}

#[test]
fn an_exchange_has_two_steps_and_each_is_taken_once() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    let out_of_turn = node.step(1, SCRAM, false, b"c=biws,r=x,p=AAAA");
    assert!(matches!(out_of_turn, Err(Refusal::InvalidRequest(_))), "{out_of_turn:?}");
    assert!(node.step(1, SCRAM, true, b"n,,n=alice,r=mine").is_ok());
    assert!(node.step(1, SCRAM, false, b"c=biws,r=other,p=AAAA").is_err());
    let again = node.step(1, SCRAM, false, b"c=biws,r=other,p=AAAA");
    assert!(matches!(again, Err(Refusal::InvalidRequest(why)) if why.contains("not begun")));
    let large = node.step(1, Mechanism::Plain, true, &[0; 17 * 1024]);
    assert!(matches!(large, Err(Refusal::LimitReached { limit: "LOGIN_BYTES_MAX" })));
    node.close();
}

#[test]
fn a_connection_stays_whose_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    let both = ["alice", "bob"].map(|name| set(name, PasswordHash::Sha256)).to_vec();
    assert_eq!(node.alter_users(both), [Ok(()), Ok(())]);
    let again =
        |name: &str| whose(node.step(2, Mechanism::Plain, true, format!("\0{name}\0password").as_bytes()));
    assert_eq!(node.plain(2, "alice", "password"), Ok(ALICE.into()));
    assert_eq!(again("alice"), Ok(ALICE.into()));
    assert!(matches!(again("bob"), Err(Refusal::Forbidden(_))));
    node.close();
}

#[test]
fn users_are_described_and_changed_one_by_one_and_outlive_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let running = node(dir.path());
    let (small, large) = (PasswordHash::Sha256, PasswordHash::Sha512);
    let mut odd = set("odd", small);
    odd.change = CredentialChange::Set {
        iterations: 1,
        salt: Bytes::from_static(b"s"),
        salted_password: vec![1; 32].into(),
    };
    let mut short = set("short", small);
    short.change = CredentialChange::Set {
        iterations: 4096,
        salt: Bytes::from_static(b"s"),
        salted_password: vec![1].into(),
    };
    let changes = vec![
        set("alice", small),
        odd,
        set("bob", large),
        short,
        remove("nobody", small),
        set("twice", small),
        set("twice", large),
        set("ANONYMOUS", small),
        set("", small),
    ];
    let results = running.alter_users(changes);
    assert_eq!((&results[0], &results[2], &results[4]), (&Ok(()), &Ok(()), &Err(Refusal::UnknownCredential)));
    assert_eq!((&results[5], &results[6]), (&Err(Refusal::DuplicateItem), &Err(Refusal::DuplicateItem)));
    for at in [1, 3, 7, 8] {
        assert!(matches!(results[at], Err(Refusal::InvalidCredential(_))), "{:?}", results[at]);
    }
    assert_eq!(running.alter_users(vec![set("alice", large)]), [Ok(())]);
    running.close();

    let running = node(dir.path());
    let view = |hash| CredentialView { hash, iterations: 4096 };
    let alice = ("alice".to_owned(), Ok(vec![view(small), view(large)]));
    let bob = ("bob".to_owned(), Ok(vec![view(large)]));
    assert_eq!(running.users(UserSelection::These(vec!["alice".into()])), vec![alice.clone()]);
    assert_eq!(running.users(UserSelection::All), [alice, bob]);
    let asked = ["nobody", "alice", "alice"].map(String::from).to_vec();
    assert_eq!(
        running.users(UserSelection::These(asked)),
        [
            ("alice".to_owned(), Err(Refusal::DuplicateItem)),
            ("nobody".to_owned(), Err(Refusal::UnknownCredential)),
        ]
    );
    assert_eq!(running.plain(2, "bob", "password"), Ok("User:bob".into()));
    running.close();
}
