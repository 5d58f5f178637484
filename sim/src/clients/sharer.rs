//! Consumers that share a subscription: each takes some records, and accepts, releases, rejects, renews or forgets them.

use forebay_model::subscription::{
    ConsumerNumber, Delivery, Receive, ReceiveForm, Received, SettleDeliveries, SettleItem, SettledItem,
    Settlement, SubscriptionChange, SubscriptionReply, SubscriptionRequest, SubscriptionStates, Verdict,
};
use forebay_model::{GroupId, PartitionRef, Refusal, Reply, Request, SettingChange, TopicRef};

use super::{Client, Desk, Route, may_retry};
use crate::checkers::{Broken, Check};
use crate::history::Place;

/// The timer of the next step.
const NEXT: u64 = 1 << 62;
/// A client gives up waiting for one answer.
const CALL_MS_MAX: u64 = 5_000;
/// A record is given up after so many deliveries, unless it is configured otherwise.
const ATTEMPTS_MAX: u16 = 5;

/// Leases are short, so that some end while there are still things that go wrong, in milliseconds.
const LEASE_MS: u32 = 2_000;

/// What a sharer makes of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharerKind {
    /// It accepts most of them.
    Able,
    /// It releases most of them, and sets what is set on the subscription.
    Clumsy,
    /// It accepts all, until there is nothing left; the last one.
    Drains,
}

/// One consumer of a subscription that others read too.
pub struct Sharer {
    kind: SharerKind,
    /// What is to be set on the subscription is not yet.
    sets: bool,
    name: String,
    place: Place,
    route: Route,
    holds: Vec<Delivery>,
    waits: Option<(u64, Asked)>,
    stops: bool,
    /// Nothing came last time: there may be nothing left.
    looks: bool,
}

#[derive(Clone)]
enum Asked {
    Set,
    /// With when that was.
    Receive(u64),
    Settle(Vec<(Delivery, Verdict)>),
    End,
    Describe,
}

impl Sharer {
    /// A consumer of the subscription `name` for `place`.
    pub fn new(kind: SharerKind, name: &str, place: Place, desk: &mut Desk<'_>) -> Sharer {
        let route = Route::any(desk.rng, desk.cluster.plan.nodes);
        let (sets, name) = (kind == SharerKind::Clumsy, name.to_owned());
        Sharer { kind, sets, name, place, route, holds: Vec::new(), waits: None, stops: false, looks: false }
    }

    fn partition(&self) -> PartitionRef {
        PartitionRef { topic: TopicRef::Id(self.place.topic), number: self.place.number }
    }

    fn next(&mut self, desk: &mut Desk<'_>) {
        if self.stops || self.waits.is_some() {
            return;
        }
        let asked = match self.holds.is_empty() {
            true if self.sets => Asked::Set,
            true if self.looks => Asked::Describe,
            true => Asked::Receive(desk.cluster.shared.receives()),
            false if self.kind == SharerKind::Drains => Asked::Settle(self.verdicts(desk)),
            false if desk.rng.chance(50) => Asked::End,
            // It forgets what it has: the leases end.
            false if desk.rng.chance(50) => {
                self.holds.clear();
                Asked::Receive(desk.cluster.shared.receives())
            }
            false => Asked::Settle(self.verdicts(desk)),
        };
        if let Asked::Settle(verdicts) = &asked {
            for delivery in verdicts.iter().filter(|(_, verdict)| is_for_good(*verdict)).map(|(one, _)| one) {
                desk.cluster.shared.settles(&self.name, self.place, delivery);
            }
        }
        let request = self.request(desk, &asked);
        let token = desk.call(self.route.node(), Request::Subscription(request));
        self.waits = Some((token, asked));
        desk.ring_after(CALL_MS_MAX, token);
    }

    fn verdicts(&self, desk: &mut Desk<'_>) -> Vec<(Delivery, Verdict)> {
        let release = match self.kind {
            SharerKind::Able => 0,
            SharerKind::Clumsy => 6,
            SharerKind::Drains => {
                return self.holds.iter().map(|one| (*one, Verdict::End(Settlement::Accept))).collect();
            }
        };
        let mut one = |delivery: &Delivery| {
            let verdict = match desk.rng.below(10).saturating_sub(release) {
                0 => Verdict::End(Settlement::Release { counts: true }),
                1 => Verdict::End(Settlement::Reject),
                2 => Verdict::Renew,
                _ => Verdict::End(Settlement::Accept),
            };
            (*delivery, verdict)
        };
        self.holds.iter().map(&mut one).collect()
    }

    fn request(&self, desk: &mut Desk<'_>, asked: &Asked) -> SubscriptionRequest {
        let subscription = GroupId(self.name.as_str().into());
        let consumer = ConsumerNumber(0);
        match asked {
            Asked::Receive(_) => SubscriptionRequest::Receive(Receive {
                subscription,
                consumer,
                partitions: vec![self.partition()],
                records_max: desk.rng.pick(&[1, 5, 50]),
                whole_batches: desk.rng.chance(500),
                form: ReceiveForm::Records,
                bytes_min: 1,
                bytes_max: desk.rng.pick(&[200, 2_000, 50_000]),
                wait_ms_max: desk.rng.pick(&[0, 50, 500]),
            }),
            Asked::Settle(verdicts) => {
                let verdicts =
                    verdicts.iter().map(|(delivery, verdict)| (delivery.range, *verdict)).collect();
                let items = vec![SettleItem { partition: self.partition(), verdicts }];
                SubscriptionRequest::Settle(SettleDeliveries { subscription, consumer, items })
            }
            Asked::End => SubscriptionRequest::EndConsumer(consumer),
            Asked::Describe => {
                let partitions = Some(vec![self.partition()]);
                SubscriptionRequest::Describe { subscription, partitions }
            }
            Asked::Set => {
                let lease_ms = SettingChange::Set(LEASE_MS);
                let change = SubscriptionChange { lease_ms, ..SubscriptionChange::default() };
                SubscriptionRequest::Alter { changes: vec![(subscription, change)], dry_run: false }
            }
        }
    }

    fn received(&mut self, desk: &mut Desk<'_>, asked: u64, received: Received) -> Check {
        let received = match received {
            Ok(received) => received,
            Err(refusal) => return self.refused(desk, &refusal),
        };
        desk.cluster.shared.heard();
        self.looks = self.kind == SharerKind::Drains && received.deliveries.is_empty();
        for delivery in &received.deliveries {
            desk.cluster.shared.received(&self.name, self.place, asked, delivery, ATTEMPTS_MAX)?;
            desk.cluster.counters.hit("records shared");
            if delivery.attempt.0 > 1 {
                desk.cluster.counters.hit("records shared again");
            }
        }
        self.holds = received.deliveries;
        Ok(())
    }

    fn settled(
        &mut self,
        desk: &mut Desk<'_>,
        verdicts: &[(Delivery, Verdict)],
        settled: SettledItem,
    ) -> Check {
        self.holds.clear();
        match settled {
            Ok(()) => {
                desk.cluster.counters.hit("deliveries settled");
                for (delivery, verdict) in verdicts {
                    match verdict {
                        Verdict::End(Settlement::Accept | Settlement::Reject) => {
                            desk.cluster.shared.settled(&self.name, self.place, delivery);
                        }
                        Verdict::End(Settlement::Release { .. }) => {
                            desk.cluster.shared.released(&self.name, self.place, delivery);
                        }
                        Verdict::Renew => self.holds.push(*delivery),
                    }
                }
                Ok(())
            }
            // The lease has ended, or the leader.
            Err(Refusal::NotHeld) => {
                desk.cluster.counters.hit("deliveries settled too late");
                for delivery in
                    verdicts.iter().filter(|(_, verdict)| is_for_good(*verdict)).map(|(one, _)| one)
                {
                    desk.cluster.shared.settled_nothing(&self.name, self.place, delivery);
                }
                Ok(())
            }
            Err(refusal) => self.refused(desk, &refusal),
        }
    }

    /// Whether there is nothing left, or nobody knows.
    fn described(&mut self, desk: &mut Desk<'_>, states: Result<SubscriptionStates, Refusal>) -> Check {
        self.looks = false;
        match states.map(|mut states| states.remove(0).view) {
            Ok(Ok(view)) => {
                self.stops = view.is_some_and(|view| view.unsettled == 0);
                Ok(())
            }
            Ok(Err(refusal)) | Err(refusal) => self.refused(desk, &refusal),
        }
    }

    fn refused(&mut self, desk: &mut Desk<'_>, refusal: &Refusal) -> Check {
        if !may_retry(refusal) {
            let what = format!("{} in {:?}: {refusal:?}", self.name, self.place);
            return Err(Broken { promise: "a subscription can be shared", what });
        }
        self.holds.clear();
        self.route.refused(desk.rng, refusal);
        Ok(())
    }
}

impl Client for Sharer {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        self.next(desk);
    }

    fn answered(&mut self, desk: &mut Desk<'_>, token: u64, reply: Option<Reply>) -> Check {
        let Some((_, asked)) = self.waits.take_if(|(waits, _)| *waits == token) else { return Ok(()) };
        match (asked, reply) {
            (Asked::Receive(asked), Some(Reply::Subscription(SubscriptionReply::Receive(mut all)))) => {
                self.received(desk, asked, all.partitions.remove(0))?;
            }
            (Asked::Settle(verdicts), Some(Reply::Subscription(SubscriptionReply::Settle(mut all)))) => {
                self.settled(desk, &verdicts, all.items.remove(0))?;
            }
            (Asked::End, Some(Reply::Subscription(SubscriptionReply::EndConsumer))) => self.holds.clear(),
            (Asked::Describe, Some(Reply::Subscription(SubscriptionReply::States(states)))) => {
                self.described(desk, states)?;
            }
            (Asked::Set, Some(Reply::Subscription(SubscriptionReply::Alter(mut altered)))) => {
                match altered.remove(0) {
                    Ok(()) => self.sets = false,
                    Err(refusal) => self.refused(desk, &refusal)?,
                }
            }
            // The connection is gone, and what it had with it.
            _ => {
                self.holds.clear();
                self.route.elsewhere(desk.rng);
            }
        }
        // What came in vain often comes alone: who has to get through all of it does not dawdle.
        let after_ms_max = if self.kind == SharerKind::Drains { 20 } else { 300 };
        let after = desk.rng.between(10, after_ms_max);
        desk.ring_after(after, NEXT);
        Ok(())
    }

    fn rang(&mut self, desk: &mut Desk<'_>, timer: u64) -> Check {
        match timer {
            NEXT => self.next(desk),
            token if self.waits.as_ref().is_some_and(|(waits, _)| *waits == token) => {
                desk.hang_up(self.route.node());
            }
            _ => {}
        }
        Ok(())
    }

    fn wind_down(&mut self, _desk: &mut Desk<'_>) {
        self.stops = true;
    }

    fn waits_for(&self) -> Option<String> {
        let is_open = self.kind == SharerKind::Drains && !self.stops;
        is_open.then(|| format!("the end of the subscription {} in {:?}", self.name, self.place))
    }
}

fn is_for_good(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::End(Settlement::Accept | Settlement::Reject))
}
