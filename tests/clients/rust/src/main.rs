//! The stories of tests/src/suites/clients.rs, transactions.rs,
//! assigned.rs and quotas.rs with rdkafka, librdkafka's Rust face.
//! A panic ends the driver, and what it says is why the story failed.
#![forbid(unsafe_code)]

mod assigned;
mod client;
mod crash;
mod groups;
mod harness;
mod quotas;
mod stories;
mod transactions;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["large-record"] => stories::large_record(),
        ["many-small"] => stories::many_small(),
        ["acks-0"] => stories::acknowledged("0"),
        ["acks-1"] => stories::acknowledged("1"),
        ["acks-all"] => stories::acknowledged("all"),
        ["idempotent"] => stories::idempotent(),
        ["offsets-for-times"] => stories::offsets_for_times(),
        ["seek"] => stories::seek(),
        ["auto-create"] => stories::auto_create(),
        ["admin"] => stories::admin(),
        ["group-resume"] => groups::resume(),
        ["rebalance"] => groups::share_and_leave(false),
        ["cooperative"] => groups::share_and_leave(true),
        ["member-dies"] => groups::member_dies(),
        ["static-member"] => groups::static_member(),
        ["restart-idempotent"] => crash::restart_idempotent(),
        ["restart-plain"] => crash::restart_plain(),
        ["restart-consume"] => crash::restart_consume(),
        ["commit-and-abort"] => transactions::commit_and_abort(),
        ["offsets"] => transactions::offsets(),
        ["fenced"] => transactions::fenced(),
        ["time-is-up"] => transactions::time_is_up(),
        ["assigned", "come-and-go"] => assigned::come_and_go(),
        ["assigned", "over-crashes"] => assigned::over_crashes(),
        ["quota"] => quotas::publishes(),
        // Not a story: the member that member-dies kills.
        ["member", group, topic] => groups::member(group, topic),
        [story] => match story.strip_prefix("roundtrip-") {
            Some(codec) => stories::roundtrip(codec),
            None => panic!("no story {story}"),
        },
        _ => panic!("one story, please"),
    }
}
