//! Appends on their way out. The library merges what it has for one peer into one message, without a limit: a follower that
//! catches up would get tens of megabytes in one frame, and no heartbeat between.

use raft::eraftpb::{Entry, Message, MessageType};

use crate::config::MESSAGE_ENTRIES_BYTES_MAX;

/// The same message in parts of at most [`MESSAGE_ENTRIES_BYTES_MAX`] bytes of entries, one entry at least. To the receiver
/// they are appends that follow each other.
pub(crate) fn split(mut message: Message) -> Vec<Message> {
    if message.get_msg_type() != MessageType::MsgAppend
        || bytes(&message.entries) <= MESSAGE_ENTRIES_BYTES_MAX
    {
        return vec![message];
    }
    let mut rest: Vec<Entry> = message.take_entries().into();
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let behind = rest.split_off(prefix(&rest));
        let (index, term) = rest.last().map(|last| (last.index, last.term)).expect("a prefix is not empty");
        let mut part = message.clone();
        part.set_entries(rest.into());
        parts.push(part);
        (message.index, message.log_term) = (index, term);
        rest = behind;
    }
    parts
}

/// How many of the first entries fit a message.
fn prefix(entries: &[Entry]) -> usize {
    let mut left = MESSAGE_ENTRIES_BYTES_MAX;
    let fits = |entry: &&Entry| {
        let fit = entry.data.len() as u64 <= left;
        left = left.saturating_sub(entry.data.len() as u64);
        fit
    };
    entries.iter().take_while(fits).count().max(1)
}

fn bytes(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| entry.data.len() as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{EntryKind, raft_entry};

    fn append(sizes: &[usize]) -> Message {
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgAppend);
        (message.term, message.index, message.log_term, message.commit) = (9, 100, 3, 102);
        let entry = |(at, size): (usize, &usize)| {
            raft_entry(EntryKind::Normal, 3 + at as u64, 101 + at as u64, vec![0; *size].into())
        };
        message.set_entries(sizes.iter().enumerate().map(entry).collect::<Vec<_>>().into());
        message
    }

    #[test]
    fn a_large_append_becomes_appends_that_follow_each_other() {
        let mib = MESSAGE_ENTRIES_BYTES_MAX as usize;
        let whole = append(&[mib / 2, mib / 2, mib / 2, 3 * mib, 1, 1]);
        let parts = split(whole.clone());
        let sizes: Vec<usize> = parts.iter().map(|part| part.entries.len()).collect();
        assert_eq!(sizes, [2, 1, 1, 2]);
        let (mut index, mut term) = (whole.index, whole.log_term);
        for part in &parts {
            assert_eq!((part.index, part.log_term, part.commit, part.term), (index, term, 102, 9));
            (index, term) = part.entries.last().map(|last| (last.index, last.term)).unwrap();
        }
        let joined: Vec<Entry> = parts.iter().flat_map(|part| part.entries.iter().cloned()).collect();
        assert_eq!(joined, whole.entries.to_vec());
    }

    #[test]
    fn everything_else_stays_whole() {
        for message in [append(&[]), append(&[5, 5]), Message::default()] {
            assert_eq!(split(message.clone()), [message]);
        }
    }
}
