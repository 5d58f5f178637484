use super::*;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

type Box_ = Mailbox<u32, u32, u32>;

fn mailbox() -> (Arc<AtomicUsize>, Box_) {
    let wakes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&wakes);
    (
        wakes,
        Mailbox::new(Box::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        })),
    )
}

const EVERYTHING: Room = Room { bytes: usize::MAX, paced_bytes: usize::MAX };

fn items(taken: &Taken<u32, u32, u32>) -> Vec<u32> {
    taken.work.iter().map(|(_, parcel)| parcel.work).collect()
}

fn paced(bytes: usize, work: u32) -> Parcel<u32> {
    Parcel { bytes, lane: Lane::Paced, deadline: None, work }
}

fn free(bytes: usize, work: u32) -> Parcel<u32> {
    Parcel { lane: Lane::Free, ..paced(bytes, work) }
}

#[test]
fn a_flood_from_one_source_does_not_keep_others_waiting() {
    let (_, mailbox) = mailbox();
    for i in 0..100 {
        mailbox.post_work(Source(1), paced(QUANTUM_BYTES, i)).expect("there is room");
    }
    mailbox.post_work(Source(2), paced(10, 1000)).expect("there is room");
    let first = mailbox.take(Room { bytes: 4 * QUANTUM_BYTES, ..EVERYTHING });
    assert_eq!(items(&first), [0, 1000, 1, 2, 3]);
    assert_eq!(first.left, Left::Work);
}

#[test]
fn what_is_large_comes_in_the_turn_after_what_others_have_and_before_they_have_it_all() {
    let (_, mailbox) = mailbox();
    let room = Room { bytes: 16 * QUANTUM_BYTES, paced_bytes: 1 << 30 };
    for i in 0..2 {
        mailbox.post_work(Source(1), paced(16 * QUANTUM_BYTES, i)).expect("there is room");
    }
    for source in 2..5 {
        mailbox.post_work(Source(source), paced(10, 100)).expect("there is room");
    }
    let first = mailbox.take(room);
    assert_eq!((items(&first), first.left), (vec![100, 100, 100], Left::Large));
    mailbox.post_work(Source(2), paced(10, 101)).expect("there is room");
    let second = mailbox.take(room);
    assert_eq!((items(&second), second.left), (vec![101, 0], Left::Work), "every other turn takes both");
    let third = mailbox.take(room);
    assert_eq!((items(&third), third.left), (vec![1], Left::Nothing), "it is alone");

    // As many others as fill every turn do not keep it out.
    mailbox.post_work(Source(1), paced(16 * QUANTUM_BYTES, 7)).expect("there is room");
    for _ in 0..4 {
        for source in 2..18 {
            mailbox.post_work(Source(source), paced(QUANTUM_BYTES, 100)).expect("there is room");
        }
    }
    assert_eq!(mailbox.take(room).left, Left::Large);
    let second = mailbox.take(room);
    assert_eq!(second.work.iter().position(|(_, parcel)| parcel.work == 7), Some(8));
}

#[test]
fn only_small_payloads_have_a_turn_before_what_is_large() {
    let (_, mailbox) = mailbox();
    let room = Room { bytes: 16 * QUANTUM_BYTES, paced_bytes: 1 << 30 };
    let large = 16 * QUANTUM_BYTES;
    mailbox.post_work(Source(1), paced(large, 1)).expect("there is room");
    mailbox.post_work(Source(2), free(10, 2)).expect("there is room");
    assert_eq!(items(&mailbox.take(room)), [2, 1], "a heartbeat is no payload");
    mailbox.post_work(Source(1), paced(large, 3)).expect("there is room");
    mailbox.post_work(Source(2), paced(10, 4)).expect("there is room");
    assert_eq!(items(&mailbox.take(EVERYTHING)), [4, 3], "whoever refuses all takes all");
    mailbox.post_work(Source(1), paced(large, 5)).expect("there is room");
    mailbox.post_work(Source(2), paced(10, 6)).expect("there is room");
    assert_eq!(items(&mailbox.take(room)), [6]);
    let none = Room { paced_bytes: 0, ..room };
    mailbox.post_work(Source(2), free(10, 7)).expect("there is room");
    assert_eq!(items(&mailbox.take(none)), [7]);
    mailbox.post_work(Source(2), paced(10, 8)).expect("there is room");
    assert_eq!(items(&mailbox.take(room)), [8, 5], "a turn without payloads is none of either kind");
}

#[test]
fn held_payloads_wake_nobody_and_what_is_none_does() {
    let (wakes, mailbox) = mailbox();
    mailbox.hold_payloads();
    for source in 0..10 {
        mailbox.post_work(Source(source), paced(GATHER_BYTES_MAX, 1)).expect("there is room");
    }
    assert_eq!(wakes.load(Ordering::Relaxed), 0);
    mailbox.post_work(Source(10), free(1, 2)).expect("there is room");
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    assert_eq!(items(&mailbox.take(Room { bytes: 1 << 20, paced_bytes: 0 })), [2]);
    mailbox.post_completion(3);
    assert_eq!((wakes.load(Ordering::Relaxed), mailbox.take_completions()), (2, vec![3]));
    assert!(mailbox.gather(1), "they are looked for again");
    assert_eq!(mailbox.take(EVERYTHING).work.len(), 10);
}

#[test]
fn order_per_source_is_kept() {
    let (_, mailbox) = mailbox();
    for i in 0..10 {
        mailbox.post_work(Source(i % 2), paced(1, u32::try_from(i).expect("small"))).expect("there is room");
    }
    let taken = mailbox.take(EVERYTHING);
    let of = |source| {
        let mine = taken.work.iter().filter(|(s, _)| *s == Source(source));
        mine.map(|(_, parcel)| parcel.work).collect::<Vec<_>>()
    };
    assert_eq!(of(0), [0, 2, 4, 6, 8]);
    assert_eq!(of(1), [1, 3, 5, 7, 9]);
}

#[test]
fn a_held_source_waits_and_keeps_its_order() {
    let (_, mailbox) = mailbox();
    mailbox.post_work(Source(1), paced(1, 1)).expect("there is room");
    mailbox.hold(Source(1));
    mailbox.post_work(Source(1), paced(1, 2)).expect("there is room");
    mailbox.post_work(Source(2), paced(1, 3)).expect("there is room");
    assert_eq!(items(&mailbox.take(EVERYTHING)), [3]);
    mailbox.put_back(Source(1), paced(1, 0));
    mailbox.release(Source(1));
    assert_eq!(items(&mailbox.take(EVERYTHING)), [0, 1, 2]);
}

#[test]
fn many_posts_wake_once_until_the_next_turn() {
    let (wakes, mailbox) = mailbox();
    for i in 0..50 {
        mailbox.post_work(Source(1), paced(1, i)).expect("there is room");
        mailbox.post_read(i).expect("there is room");
        mailbox.post_completion(i);
    }
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    mailbox.take(EVERYTHING);
    mailbox.post_completion(1);
    assert_eq!(wakes.load(Ordering::Relaxed), 2);
}

#[test]
fn little_work_gathers_without_a_wake_up_while_a_completion_is_under_way() {
    let (wakes, mailbox) = mailbox();
    mailbox.gather(usize::MAX);
    mailbox.post_work(Source(1), paced(100, 1)).expect("there is room");
    assert_eq!(wakes.load(Ordering::Relaxed), 0);
    assert!(mailbox.listen(), "it says what it did not wake for");
    assert!(!mailbox.listen());
    mailbox.gather(usize::MAX);
    mailbox.post_work(Source(2), paced(GATHER_BYTES_MAX, 2)).expect("there is room");
    assert_eq!(wakes.load(Ordering::Relaxed), 1, "much work is worth a write of its own");
    assert_eq!(items(&mailbox.take(EVERYTHING)), [1, 2]);
    assert!(!mailbox.listen(), "a turn has taken it");
    mailbox.gather(usize::MAX);
    mailbox.post_completion(3);
    assert_eq!(wakes.load(Ordering::Relaxed), 2);
    mailbox.take(EVERYTHING);
    mailbox.post_read(4).expect("there is room");
    assert_eq!(wakes.load(Ordering::Relaxed), 3, "a read needs no flush");
    mailbox.take(EVERYTHING);
    mailbox.post_work(Source(1), free(1, 5)).expect("there is room");
    assert_eq!(wakes.load(Ordering::Relaxed), 4, "nor does a heartbeat");
}

#[test]
fn payloads_that_gather_are_left_until_there_are_enough() {
    let (wakes, mailbox) = mailbox();
    mailbox.post_work(Source(1), paced(100, 1)).expect("there is room");
    assert_eq!(items(&mailbox.take_gathered(EVERYTHING, 3)), [1], "nothing gathers yet");
    mailbox.gather(3);
    let none = mailbox.take_gathered(EVERYTHING, 3);
    assert_eq!((none.work.len(), none.left), (0, Left::Nothing));
    mailbox.post_work(Source(1), paced(100, 2)).expect("there is room");
    mailbox.post_work(Source(2), paced(100, 3)).expect("there is room");
    mailbox.post_completion(9);
    let few = mailbox.take_gathered(EVERYTHING, 3);
    assert_eq!((few.work.len(), few.left, few.completions), (0, Left::Gathering, vec![9]));
    let woken = wakes.load(Ordering::Relaxed);
    mailbox.post_work(Source(3), paced(100, 4)).expect("there is room");
    assert_eq!(wakes.load(Ordering::Relaxed), woken + 1, "now they are enough");
    assert_eq!(items(&mailbox.take_gathered(EVERYTHING, 3)), [2, 3, 4]);
    mailbox.gather(3);
    mailbox.post_work(Source(1), paced(100, 5)).expect("there is room");
    mailbox.post_work(Source(2), free(1, 6)).expect("there is room");
    assert_eq!(items(&mailbox.take_gathered(EVERYTHING, 3)), [5, 6], "a heartbeat waits for no payloads");
    mailbox.post_work(Source(1), paced(100, 7)).expect("there is room");
    assert_eq!(mailbox.take_gathered(EVERYTHING, 3).left, Left::Gathering);
    assert!(mailbox.listen(), "what a turn has left is looked for");
    assert_eq!(items(&mailbox.take_gathered(EVERYTHING, 3)), [7], "nothing gathers any more");
    assert!(!mailbox.gather(2));
    mailbox.post_work(Source(1), paced(100, 8)).expect("there is room");
    assert!(!mailbox.gather(2));
    assert!(mailbox.gather(1), "there are as many already");
    assert_eq!(items(&mailbox.take(EVERYTHING)), [8], "whoever has waited long enough takes all");
    mailbox.post_work(Source(1), paced(GATHER_BYTES_MAX, 9)).expect("there is room");
    assert_eq!(items(&mailbox.take_gathered(EVERYTHING, 3)), [9], "much work is worth a flush of its own");
}

#[test]
fn a_full_mailbox_gives_work_back() {
    let (_, mailbox) = mailbox();
    for _ in 0..MAILBOX_ITEMS_MAX {
        mailbox.post_work(Source(1), paced(0, 7)).expect("there is room");
    }
    assert_eq!(mailbox.post_work(Source(2), paced(0, 8)), Err(8));
}

#[test]
fn what_the_pace_does_not_hold_up_passes_what_it_does() {
    let (_, mailbox) = mailbox();
    for source in 0..3 {
        mailbox.post_work(Source(source), paced(1000, 100)).expect("there is room");
    }
    mailbox.post_work(Source(3), free(50_000, 1)).expect("there is room");
    mailbox.post_work(Source(3), paced(10, 2)).expect("there is room");
    mailbox.post_work(Source(3), free(10, 3)).expect("there is room");
    let none = Room { bytes: 1 << 20, paced_bytes: 0 };
    let first = mailbox.take(none);
    assert_eq!(items(&first), [1], "and the order of a source is kept");
    assert_eq!((first.left, first.paced_bytes), (Left::Paced, 0));
    let some = mailbox.take(Room { paced_bytes: 1500, ..none });
    assert_eq!((items(&some), some.left, some.paced_bytes), (vec![100, 100], Left::Paced, 2000));
    assert_eq!(items(&mailbox.take(EVERYTHING)), [100, 2, 3]);
}

#[test]
fn work_is_given_up_at_its_deadline_wherever_it_waits() {
    let (_, mailbox) = mailbox();
    let until = |ms: u64, work| Parcel { deadline: Some(Monotonic(ms * 1_000_000)), ..paced(5, work) };
    mailbox.hold(Source(2));
    mailbox.post_work(Source(1), until(900, 1)).expect("there is room");
    mailbox.post_work(Source(1), until(100, 2)).expect("there is room");
    mailbox.post_work(Source(1), paced(5, 3)).expect("there is room");
    mailbox.post_work(Source(2), until(200, 4)).expect("there is room");
    mailbox.post_work(Source(3), until(100, 5)).expect("there is room");
    let expired = |ms: u64| mailbox.take_expired(Monotonic(ms * 1_000_000));
    assert_eq!(expired(99), [0; 0]);
    assert_eq!(expired(250), [2, 4, 5]);
    assert_eq!((mailbox.items(), mailbox.bytes()), (2, 10));
    assert_eq!(items(&mailbox.take(EVERYTHING)), [1, 3]);
    mailbox.post_work(Source(2), paced(5, 6)).expect("there is room");
    mailbox.release(Source(2));
    assert_eq!(items(&mailbox.take(EVERYTHING)), [6]);
}

#[test]
fn a_closed_mailbox_gives_work_back() {
    let (_, mailbox) = mailbox();
    mailbox.post_work(Source(1), paced(0, 1)).expect("there is room");
    mailbox.close();
    assert_eq!(mailbox.post_work(Source(1), paced(0, 2)), Err(2));
    assert_eq!(mailbox.post_read(3), Err(3));
    mailbox.post_completion(4);
    let taken = mailbox.take(EVERYTHING);
    assert_eq!((items(&taken), taken.completions), (vec![1], vec![4]));
}
