//! Who this replica was when it last ran, and whether it stopped in good order. Kept in the configuration field of the hard
//! state, which the log stores without understanding it.
//!
//! ```text
//! identity = version u8 = 1 | state u8 (0 stopped, 1 running) | class u8 (0 sync, 1 async)
//!          | company u8 (0 alone, 1 with others) | reserved u8[4] = 0
//!          | peer u64 | boot u64 | count u32 | founding voter u64 * count
//! ```
//! Little-endian. The hard state file has the checksum around it.

use bytes::Bytes;
use forebay_env::{Env, OpenMode};
use std::collections::BTreeSet;
use std::path::Path;

use crate::config::ShardClass;
use crate::peer::PeerId;
use crate::wire::PEERS_MAX;

const VERSION: u8 = 1;
const FIXED_BYTES: usize = 28;

/// What the identity record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) peer: PeerId,
    pub(crate) class: ShardClass,
    pub(crate) life: Life,
    pub(crate) company: Company,
    /// Which boot of the machine wrote it; `None` when the system does not say.
    pub(crate) boot: Option<u64>,
    /// The voters that the group was founded with; empty for a replica that joined.
    pub(crate) founders: BTreeSet<PeerId>,
}

/// Whether a process is at work on the replica's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Stopped,
    Running,
}

/// Whether others can hold what this replica acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Company {
    Alone,
    Others,
}

impl Identity {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = vec![
            VERSION,
            match self.life {
                Life::Stopped => 0,
                Life::Running => 1,
            },
            match self.class {
                ShardClass::Sync => 0,
                ShardClass::Async => 1,
            },
            match self.company {
                Company::Alone => 0,
                Company::Others => 1,
            },
        ];
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.peer.raft().to_le_bytes());
        out.extend_from_slice(&self.boot.unwrap_or(0).to_le_bytes());
        let count = u32::try_from(self.founders.len()).expect("a group has at most PEERS_MAX members");
        out.extend_from_slice(&count.to_le_bytes());
        for founder in &self.founders {
            out.extend_from_slice(&founder.raft().to_le_bytes());
        }
        out.into()
    }

    /// `None` when the bytes are no identity of this version.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Identity> {
        let (fixed, voters) = bytes.split_first_chunk::<FIXED_BYTES>()?;
        let word = |at: usize| u64::from_le_bytes(fixed[at..at + 8].try_into().expect("eight bytes"));
        let count = u32::from_le_bytes(fixed[24..28].try_into().expect("four bytes")) as usize;
        if fixed[0] != VERSION || fixed[4..8] != [0; 4] || count > PEERS_MAX || voters.len() != count * 8 {
            return None;
        }
        let voters =
            voters.as_chunks::<8>().0.iter().map(|raft| PeerId::from_raft(u64::from_le_bytes(*raft)));
        Some(Identity {
            life: match fixed[1] {
                0 => Life::Stopped,
                1 => Life::Running,
                _ => return None,
            },
            class: match fixed[2] {
                0 => ShardClass::Sync,
                1 => ShardClass::Async,
                _ => return None,
            },
            company: match fixed[3] {
                0 => Company::Alone,
                1 => Company::Others,
                _ => return None,
            },
            peer: PeerId::from_raft(word(8))?,
            boot: Some(word(16)).filter(|boot| *boot != 0),
            founders: voters.collect::<Option<_>>()?,
        })
    }
}

/// Names this boot of the machine; `None` where the system does not tell. A process that dies leaves its page cache to the
/// next one of the same boot, so only another boot can have lost what was written and not flushed.
pub(crate) fn boot(env: &Env) -> Option<u64> {
    let mut text = [0; 36];
    let file = env.disk.open(Path::new("/proc/sys/kernel/random/boot_id"), OpenMode::Read).ok()?;
    file.read_exact_at(&mut text, 0).ok()?;
    Some(crc_fast::crc64_nvme(&text).max(1))
}

#[cfg(test)]
mod tests {
    use forebay_model::NodeId;

    use super::*;

    #[test]
    fn an_identity_reads_back_and_nothing_else_does() {
        let peer = |node| PeerId::first(NodeId(node)).unwrap();
        let identity = Identity {
            peer: peer(3),
            class: ShardClass::Async,
            life: Life::Running,
            company: Company::Others,
            boot: Some(77),
            founders: [peer(1), peer(3)].into(),
        };
        let bytes = identity.encode();
        assert_eq!(Identity::decode(&bytes), Some(identity));
        for len in 0..bytes.len() {
            assert_eq!(Identity::decode(&bytes[..len]), None);
        }
        let mut newer = bytes.to_vec();
        newer[0] = 2;
        assert_eq!(Identity::decode(&newer), None);
    }
}
