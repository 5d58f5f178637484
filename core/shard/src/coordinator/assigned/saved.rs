//! How a member stands in the replicated state: within the two fields of [`forebay_machine::Member`] that the machine does not look
//! into. Layout: docs/formats/assigned-members.md.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use forebay_model::TopicId;
use forebay_model::group::{PartitionSet, Strategy as Offer};

use super::Place;
use super::member::{Classic, Member};
use super::strategy::Strategy;

/// The version of the layout.
const FORMAT: u8 = 1;
/// The version of the metadata of a member that speaks the classic protocol.
const FORMAT_CLASSIC: u8 = 2;

/// What all members of a group have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dealt {
    /// The epoch that targets were dealt for.
    pub(super) epoch: i32,
    /// The version of the topics that they were dealt from.
    pub(super) topics: u64,
}

pub(super) fn encode(member: &Member, dealt: Dealt, session_timeout_ms: u32) -> forebay_machine::Member {
    forebay_machine::Member {
        id: member.id.to_string(),
        instance: member.instance.clone(),
        client: member.client.clone(),
        host: member.host.clone(),
        session_timeout_ms: member.session_timeout_ms(session_timeout_ms),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        metadata: metadata(member, dealt),
        assignment: assignment(member),
    }
}

fn metadata(member: &Member, dealt: Dealt) -> Bytes {
    let mut out = Out(vec![if member.classic.is_some() { FORMAT_CLASSIC } else { FORMAT }]);
    out.epoch(dealt.epoch);
    out.uint(dealt.topics);
    out.epoch(member.epoch);
    out.epoch(member.previous_epoch);
    out.uint(member.is_away.into());
    out.uint(member.strategy.map_or(0, |strategy| strategy as u64 + 1));
    out.option(member.rack.as_deref());
    out.option(member.pattern.as_deref());
    out.uint(member.topics.len() as u64);
    member.topics.iter().for_each(|topic| out.text(topic));
    if let Some(Classic { kind, strategies, .. }) = &member.classic {
        out.text(kind);
        out.uint(strategies.len() as u64);
        for Offer { name, metadata } in strategies {
            out.text(name);
            out.bytes(metadata);
        }
    }
    out.0.into()
}

fn assignment(member: &Member) -> Bytes {
    let mut out = Out(vec![FORMAT]);
    for places in [&member.held, &member.revoking] {
        out.places(places.iter().map(|(place, epoch)| (*place, Some(*epoch))));
    }
    out.places(member.target.iter().map(|place| (*place, None)));
    out.0.into()
}

/// Whether it speaks the classic protocol.
pub(super) fn is_classic(saved: &forebay_machine::Member) -> bool {
    saved.metadata.first() == Some(&FORMAT_CLASSIC)
}

/// `None` for bytes that [`encode`] did not write.
pub(super) fn decode(saved: &forebay_machine::Member) -> Option<(Member, Dealt)> {
    let mut member = Member::new(saved.id.as_str().into());
    member.instance.clone_from(&saved.instance);
    member.client.clone_from(&saved.client);
    member.host.clone_from(&saved.host);
    member.rebalance_timeout_ms = saved.rebalance_timeout_ms;
    let (mut input, format) = In::new(&saved.metadata, FORMAT_CLASSIC)?;
    let dealt = Dealt { epoch: input.epoch()?, topics: input.uint()? };
    member.epoch = input.epoch()?;
    member.previous_epoch = input.epoch()?;
    member.is_away = input.uint()? == 1;
    member.strategy = match input.uint()? {
        0 => None,
        wish => Some(*Strategy::ALL.get(usize::try_from(wish - 1).ok()?)?),
    };
    member.rack = input.option()?;
    member.pattern = input.option()?;
    let topics = input.uint()?;
    member.topics = (0..topics).map(|_| input.text()).collect::<Option<BTreeSet<String>>>()?;
    if format == FORMAT_CLASSIC {
        let kind = input.text()?;
        let count = input.uint()?;
        let strategies = (0..count).map(|_| input.offer()).collect::<Option<Vec<Offer>>>()?;
        member.classic = Some(Classic { kind, session_timeout_ms: saved.session_timeout_ms, strategies });
    }
    let (mut input, _) = In::new(&saved.assignment, FORMAT)?;
    member.held = input.places(true)?;
    member.revoking = input.places(true)?;
    member.target = input.places(false)?.into_keys().collect::<PartitionSet>();
    Some((member, dealt))
}

/// Numbers are written in groups of seven bits, the lowest first.
struct Out(Vec<u8>);

impl Out {
    fn uint(&mut self, mut rest: u64) {
        while rest >= 0x80 {
            self.0.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
    }

    /// Epochs are never negative here.
    fn epoch(&mut self, epoch: i32) {
        self.uint(u64::try_from(epoch).unwrap_or(0));
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.uint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn option(&mut self, text: Option<&str>) {
        self.uint(text.is_some().into());
        text.into_iter().for_each(|text| self.text(text));
    }

    /// Per topic its id, how many partitions, and of each how far its number is from the one before, with its epoch if it has one.
    fn places(&mut self, places: impl Iterator<Item = (Place, Option<i32>)>) {
        let mut by_topic: BTreeMap<TopicId, Vec<(u32, Option<i32>)>> = BTreeMap::new();
        for ((topic, number), epoch) in places {
            by_topic.entry(topic).or_default().push((number, epoch));
        }
        self.uint(by_topic.len() as u64);
        for (topic, numbers) in by_topic {
            self.0.extend_from_slice(&topic.0);
            self.uint(numbers.len() as u64);
            let mut before = 0;
            for (number, epoch) in numbers {
                self.uint(u64::from(number.wrapping_sub(before)));
                before = number;
                epoch.into_iter().for_each(|epoch| self.epoch(epoch));
            }
        }
    }
}

struct In<'a>(&'a [u8]);

impl<'a> In<'a> {
    /// With the version of the layout.
    fn new(bytes: &'a [u8], format_last: u8) -> Option<(In<'a>, u8)> {
        let (format, rest) = bytes.split_first()?;
        (FORMAT..=format_last).contains(format).then_some((In(rest), *format))
    }

    fn uint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn epoch(&mut self) -> Option<i32> {
        i32::try_from(self.uint()?).ok()
    }

    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn text(&mut self) -> Option<String> {
        let bytes = usize::try_from(self.uint()?).ok()?;
        String::from_utf8(self.take(bytes)?.to_vec()).ok()
    }

    fn offer(&mut self) -> Option<Offer> {
        let name = self.text()?;
        let bytes = usize::try_from(self.uint()?).ok()?;
        Some(Offer { name, metadata: Bytes::copy_from_slice(self.take(bytes)?) })
    }

    /// Whether there is a text, and it.
    fn option(&mut self) -> Option<Option<String>> {
        if self.uint()? == 0 { Some(None) } else { self.text().map(Some) }
    }

    fn places(&mut self, with_epochs: bool) -> Option<BTreeMap<Place, i32>> {
        let mut places = BTreeMap::new();
        for _ in 0..self.uint()? {
            let topic = TopicId(self.take(16)?.try_into().ok()?);
            let mut number = 0_u32;
            for _ in 0..self.uint()? {
                number = number.wrapping_add(u32::try_from(self.uint()?).ok()?);
                let epoch = if with_epochs { self.epoch()? } else { 0 };
                places.insert((topic, number), epoch);
            }
        }
        Some(places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_comes_back_as_it_was() {
        comes_back(None);
        let offers = [("range", "abc"), ("sticky", "")];
        let offer =
            |(name, metadata): (&str, &'static str)| Offer { name: name.into(), metadata: metadata.into() };
        let strategies = offers.map(offer).to_vec();
        comes_back(Some(Classic { kind: "consumer".into(), session_timeout_ms: 10_000, strategies }));
    }

    fn comes_back(classic: Option<Classic>) {
        let mut member = Member::new("m-1".into());
        member.instance = Some("i".into());
        member.rack = Some("r".into());
        member.pattern = Some("a.*".into());
        member.topics = ["a", "b"].map(str::to_owned).into();
        member.strategy = Some(Strategy::Range);
        (member.epoch, member.previous_epoch, member.is_away) = (300, 299, true);
        let (a, b) = (TopicId([1; 16]), TopicId([2; 16]));
        member.held = [((a, 0), 3), ((a, 700), 300), ((b, 5), 1)].into();
        member.revoking = [((b, 9), 2)].into();
        member.target = [(a, 0), (b, 1), (b, 130)].into();
        member.rebalance_timeout_ms = 7;
        member.classic = classic;
        let dealt = Dealt { epoch: 301, topics: 99_999 };
        let saved = encode(&member, dealt, 45_000);
        assert_eq!(decode(&saved), Some((member, dealt)));
        for end in 0..saved.metadata.len() {
            let cut = forebay_machine::Member { metadata: saved.metadata.slice(..end), ..saved.clone() };
            assert_eq!(decode(&cut), None);
        }
        for end in 0..saved.assignment.len() {
            let cut = forebay_machine::Member { assignment: saved.assignment.slice(..end), ..saved.clone() };
            assert_eq!(decode(&cut), None);
        }
    }
}
