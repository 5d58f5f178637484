//! The classic table.

use crate::story::{Case, Clients, Connections, Scale, Work};

const BYTES: u32 = 124;
/// Where the public client is the limit on a small machine, the light generator drives it too, at every scale.
const ALSO_LIGHT: [u32; 2] = [64, 200];

pub(super) fn cases(scale: Scale) -> Vec<Case> {
    let work =
        |senders, connections| Work::Classic { senders, connections, bytes: BYTES, seconds: scale.seconds() };
    let mut cases = Vec::new();
    for senders in [1, 16, 64, 200] {
        let name = if senders == 1 { "1 connection".into() } else { format!("{senders} connections") };
        let case = Case::new(name, work(senders, Connections::OneEach));
        let light = scale != Scale::Quick || ALSO_LIGHT.contains(&senders);
        cases.push(if light { case } else { case.by(Clients::First) });
    }
    let shared = Case::new("64 threads on 1 connection", work(64, Connections::OneForAll));
    cases.push(shared.noted("the client may batch what its threads send at the same time"));
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_classic_counts_and_the_shared_connection() {
        let names: Vec<String> = cases(Scale::Quick).into_iter().map(|case| case.name).collect();
        assert_eq!(
            names,
            [
                "1 connection",
                "16 connections",
                "64 connections",
                "200 connections",
                "64 threads on 1 connection"
            ]
        );
    }
}
