//! The proof itself, for a producer that waits for each confirm before it sends the next record.

use super::calls::Call;

const READS: &[&str] = &["read", "readv", "recvfrom", "recvmsg"];
const WRITES: &[&str] = &["write", "writev", "sendto", "sendmsg"];
const FILE_WRITES: &[&str] = &["write", "writev", "pwrite64", "pwritev", "pwritev2"];
const FLUSHES: &[&str] = &["fdatasync", "fsync"];

/// Follows each record by its marker: read from a socket, written to a file of the data folder, that file flushed
/// by a call that began after the write had returned, and only then anything written to that socket. Says what
/// it saw, or the first thing that is not so.
pub fn prove(calls: &[Call], data_dir: &str, records: usize) -> Result<String, String> {
    for number in 0..records {
        prove_one(calls, data_dir, &format!("MARKER-{number:06}-"))?;
    }
    let flushes = calls.iter().filter(|c| is(c, FLUSHES)).count();
    Ok(format!("{records} confirms, each after its flush; {flushes} flushes in all"))
}

fn prove_one(calls: &[Call], data_dir: &str, marker: &str) -> Result<(), String> {
    let request = calls
        .iter()
        .find(|c| is(c, READS) && is_socket(c) && c.arguments.contains(marker))
        .ok_or_else(|| format!("{marker} was never read from a socket"))?;
    let write = calls
        .iter()
        .find(|c| is(c, FILE_WRITES) && c.target().starts_with(data_dir) && c.arguments.contains(marker))
        .ok_or_else(|| format!("{marker} was never written to a file in {data_dir}"))?;
    let flush = calls
        .iter()
        .filter(|c| {
            is(c, FLUSHES) && c.target() == write.target() && c.begin > write.end && c.result == Some(0)
        })
        .min_by_key(|c| c.end)
        .ok_or_else(|| format!("{marker}: {} was never flushed after its write", write.target()))?;
    let answer = calls
        .iter()
        .filter(|c| is(c, WRITES) && c.target() == request.target() && c.begin > request.end)
        .min_by_key(|c| c.begin)
        .ok_or_else(|| format!("{marker} was never answered"))?;
    if answer.begin < flush.end {
        return Err(format!(
            "{marker} was confirmed too early: read on line {}, written on {}, flushed on {}, answered on {}",
            request.end + 1,
            write.end + 1,
            flush.end + 1,
            answer.begin + 1
        ));
    }
    Ok(())
}

fn is(call: &Call, names: &[&str]) -> bool {
    names.contains(&call.name.as_str())
}

fn is_socket(call: &Call) -> bool {
    call.target().starts_with("TCP")
}

#[cfg(test)]
mod tests {
    use super::super::calls::read;
    use super::*;

    const READ: &str = "1 recvfrom(5<TCP:[a:1->b:2]>, \"..MARKER-000000-..\", 8192, 0, NULL, NULL) = 99\n";
    const WRITE: &str = "2 pwrite64(9</data/log>, \"..MARKER-000000-..\", 99, 0) = 99\n";
    const FLUSH_BEGINS: &str = "3 fdatasync(9</data/log> <unfinished ...>\n";
    const FLUSH_ENDS: &str = "3 <... fdatasync resumed>) = 0\n";
    const ANSWER: &str = "1 sendto(5<TCP:[a:1->b:2]>, \"ok\", 2, 0, NULL, 0) = 2\n";

    fn proven(lines: &[&str]) -> bool {
        prove(&read(&lines.concat()), "/data", 1).is_ok()
    }

    #[test]
    fn a_confirm_after_its_flush_is_proven() {
        assert!(proven(&[READ, WRITE, FLUSH_BEGINS, FLUSH_ENDS, ANSWER]));
    }

    #[test]
    fn a_confirm_while_its_flush_runs_is_found() {
        assert!(!proven(&[READ, WRITE, FLUSH_BEGINS, ANSWER, FLUSH_ENDS]));
    }

    #[test]
    fn a_flush_that_began_before_the_write_does_not_cover_it() {
        assert!(!proven(&[READ, FLUSH_BEGINS, WRITE, FLUSH_ENDS, ANSWER]));
    }

    #[test]
    fn a_flush_that_failed_covers_nothing() {
        let failed = "3 <... fdatasync resumed>) = -1 EIO (Input/output error)\n";
        assert!(!proven(&[READ, WRITE, FLUSH_BEGINS, failed, ANSWER]));
    }

    #[test]
    fn a_record_that_was_never_written_is_found() {
        assert!(!proven(&[READ, FLUSH_BEGINS, FLUSH_ENDS, ANSWER]));
    }
}
