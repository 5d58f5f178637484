//! Breaking bytes: the ways in which a decoder's input goes wrong, each as one small function.
#![allow(clippy::ptr_arg, reason = "all changes have one type, also those that keep the length")]

use crate::random::Random;

/// Numbers at the edges of lengths, counts, versions and error codes.
const EDGES: &[u64] = &[
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    16,
    0x1f,
    0x20,
    0x3f,
    0x40,
    0x7e,
    0x7f,
    0x80,
    0x81,
    0xfe,
    0xff,
    0x100,
    0x3fff,
    0x4000,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x10_0000,
    0x7fff_fffe,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];

/// Most changes made to one input.
const CHANGES_MAX: usize = 16;
/// Most bytes that one change adds, unless it copies a part of an input.
const GROWTH_BYTES_MAX: usize = 64;

type Change = fn(&mut Vec<u8>, &mut Random);

const CHANGES: &[Change] = &[
    flip_bit,
    flip_bit,
    set_byte,
    set_byte,
    nudge_byte,
    set_number,
    set_number,
    nudge_number,
    set_varint,
    remove,
    repeat,
    insert,
    copy_within,
    fill,
    cut_end,
    append,
];

/// Breaks `input` in a few places, and now and then joins it with a part of `other`. The result has at most `bytes_max`
/// bytes.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], bytes_max: usize, random: &mut Random) {
    if random.one_in(8) {
        splice(input, other, random);
    }
    for _ in 0..random.small(CHANGES_MAX) {
        random.pick(CHANGES)(input, random);
        // One change may double the input; many may not.
        input.truncate(bytes_max);
    }
}

/// A place and a length of a part of `len` bytes, which are not none; most parts are short.
fn part(len: usize, random: &mut Random) -> std::ops::Range<usize> {
    let start = random.below(len);
    start..start + random.small(len - start)
}

fn flip_bit(input: &mut Vec<u8>, random: &mut Random) {
    if !input.is_empty() {
        let at = random.below(input.len());
        input[at] ^= 1 << random.below(8);
    }
}

fn set_byte(input: &mut Vec<u8>, random: &mut Random) {
    if !input.is_empty() {
        let at = random.below(input.len());
        input[at] = if random.one_in(2) { edge(random) as u8 } else { random.next() as u8 };
    }
}

fn nudge_byte(input: &mut Vec<u8>, random: &mut Random) {
    if !input.is_empty() {
        let at = random.below(input.len());
        let by = random.small(16) as u8;
        input[at] = if random.one_in(2) { input[at].wrapping_add(by) } else { input[at].wrapping_sub(by) };
    }
}

fn edge(random: &mut Random) -> u64 {
    *random.pick(EDGES)
}

/// The widths of whole numbers in formats.
const WIDTHS: &[usize] = &[2, 4, 4, 8];

/// Overwrites a number, in either byte order, by an edge or by what a length here might be.
fn set_number(input: &mut Vec<u8>, random: &mut Random) {
    let width = *random.pick(WIDTHS);
    let Some(places) = (input.len() + 1).checked_sub(width).filter(|n| *n > 0) else { return };
    let at = random.below(places);
    let left = (input.len() - at - width) as u64;
    let number = match random.below(4) {
        0 => left,
        1 => left.wrapping_add(1),
        _ => edge(random),
    };
    put(&mut input[at..at + width], number, random);
}

/// Adds to a number, or takes from it.
fn nudge_number(input: &mut Vec<u8>, random: &mut Random) {
    let width = *random.pick(WIDTHS);
    let Some(places) = (input.len() + 1).checked_sub(width).filter(|n| *n > 0) else { return };
    let at = random.below(places);
    let place = &mut input[at..at + width];
    let by = random.small(64) as u64;
    let by = if random.one_in(2) { by } else { by.wrapping_neg() };
    if random.one_in(2) {
        let mut wide = [0; 8];
        wide[8 - width..].copy_from_slice(place);
        let number = u64::from_be_bytes(wide).wrapping_add(by);
        place.copy_from_slice(&number.to_be_bytes()[8 - width..]);
    } else {
        let mut wide = [0; 8];
        wide[..width].copy_from_slice(place);
        let number = u64::from_le_bytes(wide).wrapping_add(by);
        place.copy_from_slice(&number.to_le_bytes()[..width]);
    }
}

fn put(place: &mut [u8], number: u64, random: &mut Random) {
    let width = place.len();
    if random.one_in(2) {
        place.copy_from_slice(&number.to_be_bytes()[8 - width..]);
    } else {
        place.copy_from_slice(&number.to_le_bytes()[..width]);
    }
}

/// Replaces a varint (or any byte) by another, sometimes in a longer form than it needs.
fn set_varint(input: &mut Vec<u8>, random: &mut Random) {
    if input.is_empty() {
        return;
    }
    let at = random.below(input.len());
    let long = input[at..].iter().take(9).take_while(|byte| **byte >= 0x80).count();
    let end = (at + long + 1).min(input.len());
    let mut number = match random.below(3) {
        0 => (input.len() - end) as u64,
        1 => random.below(300) as u64,
        _ => edge(random),
    };
    let mut varint = Vec::new();
    while number >= 0x80 {
        varint.push(number as u8 | 0x80);
        number >>= 7;
    }
    varint.push(number as u8);
    if random.one_in(8) {
        *varint.last_mut().expect("a varint has a last byte") |= 0x80;
        varint.push(0);
    }
    input.splice(at..end, varint);
}

fn remove(input: &mut Vec<u8>, random: &mut Random) {
    if !input.is_empty() {
        let part = part(input.len(), random);
        input.drain(part);
    }
}

fn repeat(input: &mut Vec<u8>, random: &mut Random) {
    if !input.is_empty() {
        let part = part(input.len(), random);
        let end = part.end;
        let copy = input[part].repeat(random.small(4));
        input.splice(end..end, copy);
    }
}

fn insert(input: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(input.len() + 1);
    let bytes = bytes(random);
    input.splice(at..at, bytes);
}

fn bytes(random: &mut Random) -> Vec<u8> {
    let len = random.small(GROWTH_BYTES_MAX);
    if random.one_in(2) {
        vec![edge(random) as u8; len]
    } else {
        (0..len).map(|_| random.next() as u8).collect()
    }
}

fn copy_within(input: &mut Vec<u8>, random: &mut Random) {
    if !input.is_empty() {
        let part = part(input.len(), random);
        let to = random.below(input.len() - part.len() + 1);
        input.copy_within(part, to);
    }
}

fn fill(input: &mut Vec<u8>, random: &mut Random) {
    if !input.is_empty() {
        let part = part(input.len(), random);
        input[part].fill(edge(random) as u8);
    }
}

fn cut_end(input: &mut Vec<u8>, random: &mut Random) {
    if !input.is_empty() {
        input.truncate(random.below(input.len()));
    }
}

fn append(input: &mut Vec<u8>, random: &mut Random) {
    input.extend(bytes(random));
}

/// The front of one input, and the end of another or a part of it.
fn splice(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if other.is_empty() {
        return;
    }
    let at = random.below(input.len() + 1);
    match random.below(3) {
        0 => {
            input.truncate(at);
            input.extend_from_slice(&other[random.below(other.len())..]);
        }
        1 => {
            let part = part(other.len(), random);
            input.splice(at..at, other[part].iter().copied());
        }
        _ => {
            let from = random.below(other.len());
            let len = random.small((input.len() - at).min(other.len() - from));
            let len = len.min(input.len() - at).min(other.len() - from);
            input[at..at + len].copy_from_slice(&other[from..from + len]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_breaks_the_same_bytes_in_the_same_way() {
        let broken = |seed| {
            let mut input = (0..100).collect::<Vec<u8>>();
            mutate(&mut input, b"another input", 1_000, &mut Random::new(seed));
            input
        };
        assert_eq!(broken(3), broken(3));
        assert_ne!(broken(3), broken(4));
    }

    #[test]
    fn no_result_is_above_the_limit_and_no_input_is_too_short_to_be_broken() {
        let mut random = Random::new(1);
        for len in 0..40 {
            for _ in 0..2_000 {
                let mut input = vec![0xa5; len];
                mutate(&mut input, &[1, 2, 3][..len.min(3)], 48, &mut random);
                assert!(input.len() <= 48);
            }
        }
    }

    #[test]
    fn every_change_changes_something() {
        for (number, change) in CHANGES.iter().enumerate() {
            let mut random = Random::new(number as u64);
            let before: Vec<u8> = (0..64).collect();
            let changed = (0..100).filter(|_| {
                let mut input = before.clone();
                change(&mut input, &mut random);
                input != before
            });
            assert!(changed.count() > 50, "change {number}");
        }
    }
}
