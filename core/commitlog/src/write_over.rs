//! Bytes of an earlier process that nobody knows to be on the medium. When its flush failed, the kernel may hold their pages as
//! clean: a flush of ours would pass them by and succeed. Written over themselves they are dirty again, and torn they are what
//! they were.

use std::path::Path;

use forebay_env::File;

use crate::fault::{Action, Fault};

/// What is read and written at once, in bytes.
const PIECE_BYTES: u64 = 1024 * 1024;

/// Writes the bytes `from..end` of a file over themselves, for the flush that follows.
pub(crate) fn write_over(file: &dyn File, path: &Path, from: u64, end: u64) -> Result<(), Fault> {
    let mut piece = Vec::new();
    let mut at = from;
    while at < end {
        let take = PIECE_BYTES.min(end - at);
        piece.resize(usize::try_from(take).expect("one piece"), 0);
        file.read_exact_at(&mut piece, at).map_err(Fault::io(Action::Read, path))?;
        file.write_at(&[&piece], at).map_err(Fault::io(Action::Write, path))?;
        at += take;
    }
    Ok(())
}
