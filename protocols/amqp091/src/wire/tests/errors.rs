//! What is wrong with methods is told apart, with the code that closes the connection. (Frames, tables, properties and contents
//! have such tests beside their code.)

use bytes::Bytes;

use crate::wire::error::{Fault, TableFault, TableFlaw};
use crate::wire::method::{BasicPublish, QueuePurge};
use crate::wire::{DecodeError, Method, MethodId, ReplyCode, Severity};

fn refused(payload: &'static [u8]) -> (DecodeError, ReplyCode) {
    let why = Method::decode(&Bytes::from_static(payload)).expect_err("it is wrong");
    (why, why.reply_code())
}

fn argument(class: u16, method: u16, place: &'static str, fault: Fault) -> DecodeError {
    DecodeError::Argument { method: MethodId { class, method }, place, fault }
}

#[test]
fn a_method_that_does_not_exist_is_an_invalid_command() {
    let id = MethodId { class: 60, method: 41 };
    assert_eq!(refused(b"\x00\x3c\x00\x29"), (DecodeError::UnknownMethod(id), ReplyCode::CommandInvalid));
    let id = MethodId { class: 61, method: 10 };
    assert_eq!(refused(b"\x00\x3d\x00\x0a"), (DecodeError::UnknownMethod(id), ReplyCode::CommandInvalid));
    assert_eq!(refused(b"\x00\x3d\x00\x0a").0.method(), Some(id));
}

#[test]
fn a_class_of_old_is_not_implemented() {
    let id = MethodId { class: 70, method: 10 };
    assert_eq!(refused(b"\x00\x46\x00\x0a"), (DecodeError::ForeignClass(id), ReplyCode::NotImplemented));
}

#[test]
fn arguments_that_end_too_early_or_too_late_are_a_frame_error() {
    assert_eq!(
        refused(b"\x00\x32\x00\x1e\x00\x00\x05ab"),
        (argument(50, 30, "queue.purge.queue", Fault::Ended { needed: 5, left: 2 }), ReplyCode::FrameError)
    );
    assert_eq!(
        refused(b"\x00\x32\x00\x1e\x00\x00\x01a"),
        (argument(50, 30, "queue.purge.no_wait", Fault::Ended { needed: 1, left: 0 }), ReplyCode::FrameError)
    );
    assert_eq!(
        refused(b"\x00\x32\x00\x1e\x00\x00\x01a\x01more"),
        (argument(50, 30, "queue.purge", Fault::Trailing(4)), ReplyCode::FrameError)
    );
    assert!(matches!(refused(b"\x00\x32\x00"), (DecodeError::FrameForm(_), ReplyCode::FrameError)));
}

#[test]
fn texts_must_be_utf8_unless_content_follows() {
    assert_eq!(
        refused(b"\x00\x32\x00\x1e\x00\x00\x02\xc3\x28\x00"),
        (argument(50, 30, "queue.purge.queue", Fault::NotUtf8), ReplyCode::FrameError)
    );
    let purge = Method::decode(&Bytes::from_static(b"\x00\x32\x00\x1e\x00\x00\x02\xc3\xa4\xff"));
    let Ok(Method::QueuePurge(QueuePurge { queue, no_wait: true, .. })) = purge else { panic!("{purge:?}") };
    assert_eq!(queue, "ä");
    let publish = Method::decode(&Bytes::from_static(b"\x00\x3c\x00\x28\x00\x00\x00\x02\xc3\x28\x01"));
    let Ok(Method::BasicPublish(BasicPublish { routing_key, mandatory: true, immediate: false, .. })) =
        publish
    else {
        panic!("{publish:?}")
    };
    assert_eq!(routing_key.as_str(), None);
    assert_eq!(&routing_key.as_bytes()[..], b"\xc3\x28");
}

#[test]
fn a_table_that_cannot_be_read_is_a_syntax_error() {
    let flaw = TableFault { flaw: TableFlaw::UnknownType(b'?'), at: 0 };
    assert_eq!(
        refused(b"\x00\x32\x00\x0a\x00\x00\x01q\x00\x00\x00\x00\x03\x01a?"),
        (argument(50, 10, "queue.declare.arguments", Fault::Table(flaw)), ReplyCode::SyntaxError)
    );
    // Its length goes beyond the frame: that is the frame's matter.
    assert_eq!(
        refused(b"\x00\x32\x00\x0a\x00\x00\x01q\x00\xff\xff\xff\xff\x01a?"),
        (
            argument(50, 10, "queue.declare.arguments", Fault::Ended { needed: u32::MAX, left: 3 }),
            ReplyCode::FrameError
        )
    );
}

#[test]
fn what_is_said_of_an_error_names_its_place() {
    let (why, _) = refused(b"\x00\x32\x00\x0a\x00\x00\x01q\x00\x00\x00\x00\x03\x01a?");
    assert_eq!(why.to_string(), "queue.declare.arguments has a value of type 0x3f (at byte 0)");
    let (why, _) = refused(b"\x00\x32\x00\x1e\x00\x00\x05ab");
    assert_eq!(why.to_string(), "queue.purge.queue needs 5 bytes where 2 are left");
    assert!(!why.ends_the_stream() && DecodeError::FrameEnd(0).ends_the_stream());
}

#[test]
fn codes_know_their_numbers_and_what_they_end() {
    for code in ReplyCode::ALL {
        assert_eq!(ReplyCode::from_number(code.number()), *code);
    }
    assert_eq!(ReplyCode::from_number(999).number(), 999);
    let ends = |severity| {
        let codes = ReplyCode::ALL.iter().filter(move |code| code.severity() == severity);
        codes.map(|code| code.number()).collect::<Vec<_>>()
    };
    assert_eq!(ends(Severity::Channel), [311, 312, 313, 403, 404, 405, 406]);
    assert_eq!(ends(Severity::Connection), [320, 402, 501, 502, 503, 504, 505, 506, 530, 540, 541]);
    assert_eq!(format!("{:?}", ReplyCode::NotFound), "NOT_FOUND(404)");
}
