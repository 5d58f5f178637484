//! The table of APIs and the list of errors against the oracle's, and against our own documentation.

use std::fmt::Write as _;

use kafka_protocol::messages::ApiKey as TheirKey;
use kafka_protocol::protocol::VersionRange;

use crate::wire::api::{APIS, Standing, advertised};
use crate::wire::field::Form;
use crate::wire::messages::for_every_message;
use crate::wire::{ApiKey, ErrorCode};

#[test]
fn every_key_is_at_its_place() {
    assert_eq!(APIS.len(), 93);
    for (number, api) in APIS.iter().enumerate() {
        assert_eq!(api.key.number() as usize, number);
        assert_eq!(ApiKey::from_number(number as i16), Some(api.key));
        assert_eq!(api.key.api(), api);
    }
    assert_eq!(ApiKey::from_number(93), None);
    assert_eq!(ApiKey::from_number(-1), None);
}

#[test]
fn names_and_forms_are_the_oracles() {
    for theirs in TheirKey::iter() {
        let ours = ApiKey::from_number(theirs as i16).expect("we name every key there is");
        assert_eq!(format!("{theirs:?}"), ours.name());
        let VersionRange { min, max } = theirs.valid_versions();
        for version in min..=max {
            let form =
                if theirs.request_header_version(version) == 2 { Form::Compact } else { Form::Classic };
            assert_eq!(ours.form(version), form, "{} version {version}", ours.name());
        }
    }
}

#[test]
fn what_is_served_can_be_read_and_what_can_be_read_has_messages() {
    let mut with_messages = Vec::new();
    macro_rules! collect {
        ($($module:ident: $api:ident, $request:ident, $response:ident;)*) => {
            with_messages.extend([$(ApiKey::$api),*])
        };
    }
    for_every_message!(collect);
    for api in APIS {
        assert_eq!(!api.decodes.is_empty(), with_messages.contains(&api.key), "{}", api.key.name());
        if let Standing::Served { versions, advertised_from } = &api.standing {
            assert!(api.decodes.start <= versions.start && versions.end <= api.decodes.end);
            assert!(!versions.is_empty());
            assert!(*advertised_from <= versions.start);
            assert_eq!(
                *advertised_from < versions.start,
                api.key == ApiKey::Produce,
                "claiming more than is served is for Produce alone"
            );
            assert!(
                api.decodes.contains(advertised_from),
                "what is claimed can at least be refused in its own shape"
            );
        }
    }
}

#[test]
fn api_versions_lists_what_is_served() {
    let advertised = advertised();
    for api in APIS {
        let listed = advertised.iter().find(|listed| listed.api_key == api.key.number());
        assert_eq!(listed.map(|listed| (listed.min_version, listed.max_version)), api.advertised());
        assert_eq!(listed.is_some(), matches!(api.standing, Standing::Served { .. }));
    }
    let produce = &advertised[0];
    assert_eq!((produce.api_key, produce.min_version, produce.max_version), (0, 0, 13));
    assert!(!ApiKey::Produce.api().serves(2) && ApiKey::Produce.api().serves(3));
}

#[test]
fn error_numbers_names_and_retries_are_the_oracles() {
    use kafka_protocol::ResponseError;
    for code in ErrorCode::ALL {
        assert_eq!(ErrorCode::from_number(code.number()), *code);
        match ResponseError::try_from_code(code.number()) {
            None => assert_eq!(*code, ErrorCode::None),
            Some(theirs) => {
                assert!(!matches!(theirs, ResponseError::Unknown(_)), "{code} exists");
                assert_eq!(code.is_retriable(), theirs.is_retriable(), "{code}");
                assert_eq!(code.name().replace('_', "").to_lowercase(), format!("{theirs:?}").to_lowercase());
            }
        }
    }
    for number in -200..1_000 {
        let theirs = ResponseError::try_from_code(number);
        let unknown = matches!(theirs, Some(ResponseError::Unknown(_)));
        assert_eq!(matches!(ErrorCode::from_number(number), ErrorCode::Other(_)), unknown, "{number}");
        assert_eq!(ErrorCode::from_number(number).number(), number);
    }
}

/// The page's table of every API, as the code has it.
fn documented_table() -> String {
    let mut table = String::from("| key | API | served | refused |\n| --- | --- | --- | --- |\n");
    for api in APIS {
        let (served, refused) = match &api.standing {
            Standing::Served { versions, .. } => {
                (format!("{} to {}", versions.start, versions.end - 1), String::new())
            }
            Standing::Refused(why) => (String::new(), why.to_string()),
        };
        writeln!(table, "| {} | {} | {served} | {refused} |", api.key.number(), api.key.name()).unwrap();
    }
    table
}

#[test]
fn the_documentation_says_what_the_code_does() {
    let page = include_str!("../../../../../docs/protocols/kafka.md");
    let (_, after) = page.split_once("<!-- apis -->\n").expect("the page marks the table's start");
    let (table, _) = after.split_once("<!-- /apis -->").expect("the page marks the table's end");
    assert!(table == documented_table(), "put this into docs/protocols/kafka.md:\n{}", documented_table());
}
