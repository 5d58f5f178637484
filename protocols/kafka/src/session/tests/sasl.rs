//! Authentication: what is served before it, its exchanges in every dress, and users' credentials.

use forebay_kit::model::login::{LoginStep, Mechanism};
use forebay_kit::model::user::{
    AlteredUser, CredentialChange, CredentialView, DescribedUser, PasswordHash, UserSelection,
};
use forebay_kit::model::{Principal, Refusal};
use proptest::prelude::*;

use super::*;
use crate::limits::{SASL_FAILURE_DELAY, SASL_FRAME_BYTES_MAX};
use crate::wire::ErrorCode;
use crate::wire::messages::alter_user_scram_credentials::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use crate::wire::messages::describe_user_scram_credentials::UserName;
use crate::wire::messages::{
    AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest, MetadataRequest,
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};

const SCRAM: Mechanism = Mechanism::Scram(PasswordHash::Sha256);

/// A connection to a listener at which clients have to authenticate.
fn locked() -> Pair {
    let peer = std::net::SocketAddr::from(([10, 1, 2, 3], 50_000));
    let login: Arc<[Mechanism]> = [Mechanism::Plain, SCRAM].into();
    let memory = SessionMemory::new(1 << 20);
    let info = ConnectionInfo {
        peer,
        frame_bytes_max: 1 << 20,
        requests_open_max: 64,
        memory,
        meter: Arc::new(Unmetered),
        login: Some(login),
        is_encrypted: false,
    };
    Pair { session: KafkaSession::new(info), ..Pair::new() }
}

fn handshake(mechanism: &str) -> SaslHandshakeRequest {
    SaslHandshakeRequest { mechanism: mechanism.into() }
}

fn token(bytes: &'static [u8]) -> SaslAuthenticateRequest {
    SaslAuthenticateRequest { auth_bytes: Bytes::from_static(bytes).into() }
}

fn done(bytes: &'static [u8]) -> Reply {
    let principal = Arc::new(Principal::anonymous());
    Reply::Login(Ok(LoginStep::Done { bytes: Bytes::from_static(bytes).into(), principal }))
}

fn go_on(bytes: &'static [u8]) -> Reply {
    Reply::Login(Ok(LoginStep::Continue(Bytes::from_static(bytes).into())))
}

/// What a login asks of the broker.
fn login(call: Request) -> (Mechanism, bool, Vec<u8>) {
    let Request::Login(login) = call else { panic!("a login, not {call:?}") };
    (login.mechanism, login.first, login.bytes.expose().to_vec())
}

/// Why the session closed, or closes as soon as its client has had the time to read its last word.
fn reason(pair: &mut Pair) -> &str {
    if let Some(at) = pair.wake_at.take() {
        assert_eq!((at, &pair.closed), (Instant(0) + SASL_FAILURE_DELAY, &None));
        assert!(!pair.session.wants_bytes() && pair.session.is_idle());
        pair.ask(1, &MetadataRequest::default());
        assert!(pair.calls.is_empty() && pair.next_frame().is_none() && pair.closed.is_none());
        pair.handle(Input::Timeout).unwrap();
    }
    match &pair.closed {
        Some(CloseReason::Protocol(why)) => why,
        other => panic!("the session closes, not {other:?}"),
    }
}

impl Pair {
    fn authenticate(&mut self, version: i16) {
        let offered: SaslHandshakeResponse = self.answer(1, &handshake("SCRAM-SHA-256"));
        assert_eq!(offered.mechanisms, ["PLAIN", "SCRAM-SHA-256"]);
        assert!(offered.error_code.is_none());
        let said = self.exchange(version, &token(b"first"), |call| {
            assert_eq!(login(call), (SCRAM, true, b"first".to_vec()));
            go_on(b"challenge")
        });
        assert_eq!(said.auth_bytes.as_bytes(), &b"challenge"[..]);
        let said = self.exchange(version, &token(b"proof"), |call| {
            assert_eq!(login(call), (SCRAM, false, b"proof".to_vec()));
            done(b"verified")
        });
        assert_eq!(
            (said.error_code, said.auth_bytes.as_bytes()),
            (ErrorCode::None, &Bytes::from_static(b"verified"))
        );
        assert_eq!(said.session_lifetime_ms, 0);
    }
}

#[test]
fn a_client_authenticates_and_is_served() {
    for version in 0..3 {
        let mut pair = locked();
        assert!(pair.is_served(), "versions may be asked for");
        assert!(!pair.session.is_known(), "which is no answer to who asks");
        pair.authenticate(version);
        assert!(pair.session.is_known());
        pair.ask(1, &MetadataRequest::default());
        assert!(matches!(pair.call().1, Request::DescribeTopics(_)));
        assert_eq!(pair.closed, None);
    }
}

#[test]
fn nothing_else_is_served_before() {
    for when in 0..3 {
        let mut pair = locked();
        if when > 0 {
            pair.answer(1, &handshake("SCRAM-SHA-256"));
        }
        if when > 1 {
            pair.exchange(0, &token(b"first"), |_| go_on(b"challenge"));
        }
        pair.ask(1, &MetadataRequest::default());
        assert!(pair.calls.is_empty() && pair.next_frame().is_none());
        assert_eq!(reason(&mut pair), "Metadata came before the client authenticated");
    }
}

#[test]
fn what_comes_behind_a_token_waits_until_it_is_judged() {
    let mut pair = locked();
    pair.answer(1, &handshake("PLAIN"));
    let frames = [pair.frame(0, &token(b"secret")), pair.frame(1, &MetadataRequest::default())].concat();
    pair.receive(frames).unwrap();
    let (judged, call) = pair.call();
    assert_eq!(login(call), (Mechanism::Plain, true, b"secret".to_vec()));
    assert!(pair.calls.is_empty() && !pair.session.wants_bytes());
    pair.reply(judged, done(b""));
    assert!(matches!(pair.call().1, Request::DescribeTopics(_)));
    assert!(pair.session.wants_bytes());
}

#[test]
fn tokens_come_bare_behind_the_first_handshake_there_was() {
    let bare = |bytes: &[u8]| Bytes::from([&(bytes.len() as i32).to_be_bytes(), bytes].concat());
    let mut pair = locked();
    pair.answer(0, &handshake("SCRAM-SHA-256"));
    for (said, expected, answer) in [
        (&b"first"[..], (true, &b"challenge"[..]), go_on(b"challenge")),
        (&b"proof"[..], (false, &b"ok"[..]), done(b"ok")),
    ] {
        pair.receive(bare(said)).unwrap();
        let (judged, call) = pair.call();
        assert_eq!(login(call), (SCRAM, expected.0, said.to_vec()));
        pair.reply(judged, answer);
        assert_eq!(pair.next_frame().as_deref(), Some(expected.1));
    }
    pair.ask(1, &MetadataRequest::default());
    assert!(matches!(pair.call().1, Request::DescribeTopics(_)));

    let mut pair = locked();
    pair.answer(0, &handshake("PLAIN"));
    pair.receive(bare(b"wrong")).unwrap();
    let (judged, _) = pair.call();
    pair.reply(judged, Reply::Login(Err(Refusal::WrongCredentials)));
    assert!(pair.next_frame().is_none(), "there are no words for it");
    assert!(reason(&mut pair).contains("Invalid username or password"));
}

#[test]
fn a_mechanism_that_is_not_offered_is_refused_with_those_that_are() {
    for mechanism in ["SCRAM-SHA-512", "GSSAPI", "plain", ""] {
        let mut pair = locked();
        let refused: SaslHandshakeResponse = pair.answer(1, &handshake(mechanism));
        assert_eq!(refused.error_code, ErrorCode::UnsupportedSaslMechanism);
        assert_eq!(refused.mechanisms, ["PLAIN", "SCRAM-SHA-256"]);
        assert!(reason(&mut pair).contains("not offered"));
    }
}

#[test]
fn who_fails_is_told_and_then_cut_off() {
    for (refusal, part) in [
        (Refusal::WrongCredentials, "Authentication failed: Invalid username or password"),
        (Refusal::InvalidRequest("it is odd".into()), "PLAIN: it is odd"),
        (Refusal::Forbidden("it is another"), "PLAIN: it is another"),
    ] {
        let mut pair = locked();
        pair.answer(1, &handshake("PLAIN"));
        let said: SaslAuthenticateResponse =
            pair.exchange(1, &token(b"wrong"), |_| Reply::Login(Err(refusal)));
        assert_eq!(said.error_code, ErrorCode::SaslAuthenticationFailed);
        assert!(said.error_message.is_some_and(|why| why.as_str().contains(part)));
        assert!(said.auth_bytes.as_bytes().is_empty() && pair.wake_at.is_some());
        assert!(reason(&mut pair).starts_with("Authentication failed"));
    }
}

#[test]
fn what_passes_only_ends_the_connection_for_clients_give_up_otherwise() {
    for refusal in [Refusal::Busy, Refusal::Loading, Refusal::ShuttingDown] {
        let mut pair = locked();
        pair.answer(1, &handshake("PLAIN"));
        pair.ask(1, &token(b"secret"));
        let (judged, _) = pair.call();
        pair.reply(judged, Reply::Login(Err(refusal)));
        assert!(pair.next_frame().is_none());
        assert!(reason(&mut pair).contains("cannot authenticate by PLAIN now"));
    }
}

#[test]
fn steps_out_of_turn_are_refused() {
    let mut pair = locked();
    pair.ask(1, &token(b"first"));
    assert!(reason(&mut pair).contains("without a SaslHandshake"));

    let mut pair = locked();
    pair.answer(1, &handshake("PLAIN"));
    pair.ask(1, &handshake("PLAIN"));
    assert!(reason(&mut pair).contains("within an exchange"));

    let mut pair = locked();
    pair.authenticate(1);
    let said: SaslAuthenticateResponse = pair.answer(1, &token(b"again"));
    assert_eq!((said.error_code, &pair.closed), (ErrorCode::IllegalSaslState, &None));
}

#[test]
fn where_nobody_is_asked_there_is_nothing_to_authenticate() {
    let mut pair = Pair::new();
    let refused: SaslHandshakeResponse = pair.answer(1, &handshake("PLAIN"));
    assert_eq!((refused.error_code, refused.mechanisms.len()), (ErrorCode::IllegalSaslState, 0));
    let refused: SaslAuthenticateResponse = pair.answer(2, &token(b"first"));
    assert_eq!(refused.error_code, ErrorCode::IllegalSaslState);
    assert!(pair.is_served() && pair.session.is_known());
}

#[test]
fn a_client_may_authenticate_again_by_the_same_mechanism() {
    let mut pair = locked();
    pair.authenticate(1);
    pair.authenticate(2);
    assert!(pair.is_served());
    pair.answer(1, &handshake("PLAIN"));
    let said: SaslAuthenticateResponse = pair.answer(2, &token(b"other"));
    assert_eq!(said.error_code, ErrorCode::SaslAuthenticationFailed);
    assert!(reason(&mut pair).contains("no other mechanism"));

    let mut pair = locked();
    pair.authenticate(1);
    pair.answer(1, &handshake("SCRAM-SHA-256"));
    let said = pair.exchange(1, &token(b"first"), |_| Reply::Login(Err(Refusal::WrongCredentials)));
    assert_eq!(said.error_code, ErrorCode::SaslAuthenticationFailed);
    assert!(reason(&mut pair).contains("during re-authentication due to invalid credentials"));
}

#[test]
fn large_frames_come_only_behind_authentication() {
    let large = |bytes: usize| Bytes::copy_from_slice(&(bytes as i32).to_be_bytes());
    let mut pair = locked();
    let refused = pair.receive(large(SASL_FRAME_BYTES_MAX + 1));
    assert!(matches!(refused, Err(SessionError::PeerMisbehaved(_))), "{refused:?}");
    let mut pair = locked();
    pair.authenticate(2);
    pair.receive(large(SASL_FRAME_BYTES_MAX + 1)).expect("all of it may come");
}

#[test]
fn users_are_described_without_their_secrets() {
    let name = |name: &str| UserName { name: name.into() };
    let request =
        DescribeUserScramCredentialsRequest { users: Some(vec![name("alice"), name("bob"), name("carol")]) };
    let view = |hash, iterations| CredentialView { hash, iterations };
    let response = Pair::new().exchange(0, &request, |call| {
        let Request::DescribeUsers(describe) = call else { panic!("a description") };
        let these = ["alice", "bob", "carol"].map(String::from).to_vec();
        assert_eq!(describe.users, UserSelection::These(these));
        let found = vec![view(PasswordHash::Sha256, 4096), view(PasswordHash::Sha512, 8192)];
        Reply::DescribeUsers(Ok(vec![
            DescribedUser { name: "alice".into(), credentials: Ok(found) },
            DescribedUser { name: "bob".into(), credentials: Err(Refusal::UnknownCredential) },
            DescribedUser { name: "carol".into(), credentials: Err(Refusal::DuplicateItem) },
        ]))
    });
    let infos = response.results[0].credential_infos.iter();
    let infos: Vec<_> = infos.map(|info| (info.mechanism, info.iterations)).collect();
    assert_eq!(infos, [(1, 4096), (2, 8192)]);
    let codes: Vec<_> = response.results.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [ErrorCode::None, ErrorCode::ResourceNotFound, ErrorCode::DuplicateResource]);
    for users in [None, Some(Vec::new())] {
        Pair::new().exchange(0, &DescribeUserScramCredentialsRequest { users }, |call| {
            assert!(matches!(call, Request::DescribeUsers(all) if all.users == UserSelection::All));
            Reply::DescribeUsers(Ok(Vec::new()))
        });
    }
    let response = Pair::new().exchange(0, &DescribeUserScramCredentialsRequest::default(), |_| {
        Reply::DescribeUsers(Err(Refusal::InvalidRequest("too many".into())))
    });
    assert_eq!((response.error_code, response.results.len()), (ErrorCode::InvalidRequest, 0));
}

#[test]
fn credentials_are_set_and_deleted_user_by_user() {
    let deletion = |name: &str, mechanism| ScramCredentialDeletion { name: name.into(), mechanism };
    let upsertion = |name: &str, mechanism, iterations| ScramCredentialUpsertion {
        name: name.into(),
        mechanism,
        iterations,
        salt: Bytes::from_static(b"salt").into(),
        salted_password: Bytes::from_static(b"hash").into(),
    };
    let request = AlterUserScramCredentialsRequest {
        deletions: vec![deletion("alice", 1), deletion("bob", 2), deletion("odd", 3)],
        upsertions: vec![upsertion("bob", 1, 4096), upsertion("carol", 2, 8192), upsertion("dave", 1, -1)],
    };
    let response = Pair::new().exchange(0, &request, |call| {
        let Request::AlterUsers(alter) = call else { panic!("a change") };
        let shown = format!("{alter:?}");
        assert!(!shown.contains("hash\""), "{shown}");
        let names: Vec<_> = alter.changes.iter().map(|change| (change.name.as_str(), change.hash)).collect();
        let (small, large) = (PasswordHash::Sha256, PasswordHash::Sha512);
        assert_eq!(names, [("alice", small), ("carol", large), ("dave", small)]);
        assert!(matches!(alter.changes[0].change, CredentialChange::Remove));
        assert!(matches!(alter.changes[2].change, CredentialChange::Set { iterations: 0, .. }));
        let fate = |name: &str, result| AlteredUser { name: name.into(), result };
        Reply::AlterUsers(vec![
            fate("alice", Err(Refusal::UnknownCredential)),
            fate("carol", Ok(())),
            fate("dave", Err(Refusal::InvalidCredential("too few".into()))),
        ])
    });
    let codes: Vec<_> =
        response.results.iter().map(|result| (result.user.as_str(), result.error_code)).collect();
    assert_eq!(
        codes,
        [
            ("bob", ErrorCode::DuplicateResource),
            ("odd", ErrorCode::UnsupportedSaslMechanism),
            ("alice", ErrorCode::ResourceNotFound),
            ("carol", ErrorCode::None),
            ("dave", ErrorCode::UnacceptableCredential),
        ]
    );
}

proptest! {
    #[test]
    fn noise_before_authentication_does_no_harm(mut noise: Vec<u8>, handshakes in 0..2usize, at in 0..8usize) {
        let mut pair = locked();
        if handshakes > 0 {
            pair.answer(0, &handshake("PLAIN"));
            let length = noise.len() as i32;
            drop(noise.splice(..0, length.to_be_bytes()));
        }
        let cut = at.min(noise.len());
        for piece in [&noise[..cut], &noise[cut..]] {
            let handled = pair.receive(Bytes::copy_from_slice(piece));
            let is_bug = matches!(handled, Err(SessionError::Bug(_)));
            prop_assert!(!is_bug, "{:?}", handled);
        }
        prop_assert!(pair.calls.iter().all(|(_, call)| matches!(call, Request::Login(_))));
    }
}
