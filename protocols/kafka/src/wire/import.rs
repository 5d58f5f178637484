//! What the records of a Produce request are when they are no batch: an order of an import, by which the records of a partition
//! are taken over from another log at the offsets that they have there (docs/import.md, ADR 0023). Our own: Apache Kafka refuses
//! it as a record layout that it does not know, for a batch has its layout's number where the mark's last byte is.
//!
//! ```text
//! order   = mark (17 bytes: "FOREBAY IMPORT 1F") | kind u8 | offset i64 | rest       (big-endian)
//! kind 0  = begin: offset is where the source begins; rest is its name, a string of i16 length
//! kind 1  = batches: offset is where the partition has to end before them; rest is batches, verbatim
//! kind 2  = end: offset is where the partition has to end; no rest
//! ```

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::records::Records;

/// What every order begins with. The last byte is at the place of a batch's layout number, and none of these.
const MARK: &[u8; 17] = b"FOREBAY IMPORT 1F";
const BEGIN: u8 = 0;
const BATCHES: u8 = 1;
const END: u8 = 2;

/// An order of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportOrder {
    /// Puts a partition under import, or goes on with the import from the same source. Answered with where the partition ends.
    Begin {
        /// Where the records come from, in the importer's own words.
        source: String,
        /// The first offset that the source has.
        start: i64,
    },
    /// Brings batches. Answered with where the partition ends behind them.
    Batches {
        /// Where the partition has to end for the first one.
        after: i64,
        /// One or more, with the offsets and everything else that they have in the source.
        batches: Records,
    },
    /// Ends the import. Answered with where the partition ends.
    End {
        /// Where the partition has to end.
        end: i64,
    },
}

/// Bytes that begin as an order and are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadOrder(pub &'static str);

impl fmt::Display for BadOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadOrder {}

impl ImportOrder {
    /// Whether these records are meant as an order.
    #[must_use]
    pub fn begins(records: &[u8]) -> bool {
        records.starts_with(MARK)
    }

    /// Reads an order; batches are a slice of `records` and not looked into.
    ///
    /// # Errors
    /// [`BadOrder`] says what is wrong.
    pub fn read(records: &Bytes) -> Result<ImportOrder, BadOrder> {
        let rest = records.strip_prefix(MARK).ok_or(BadOrder("this is no order of an import"))?;
        let (&kind, rest) = rest.split_first().ok_or(BadOrder("the order ends before its kind"))?;
        let (offset, rest) = rest.split_first_chunk().ok_or(BadOrder("the order ends before its offset"))?;
        let offset = i64::from_be_bytes(*offset);
        if offset < 0 {
            return Err(BadOrder("an offset of an order is negative"));
        }
        match kind {
            BEGIN => Ok(ImportOrder::Begin { source: source(rest)?, start: offset }),
            BATCHES if rest.is_empty() => Err(BadOrder("the order brings no batch")),
            BATCHES => Ok(ImportOrder::Batches { after: offset, batches: records.slice_ref(rest).into() }),
            END if rest.is_empty() => Ok(ImportOrder::End { end: offset }),
            END => Err(BadOrder("bytes follow the end of an import")),
            _ => Err(BadOrder("the order is of no known kind")),
        }
    }

    /// The order as records of a Produce request; batches are not copied. A source of more than `i16::MAX` bytes is cut, and refused
    /// by who reads it.
    #[must_use]
    pub fn to_records(&self) -> Records {
        let mut out = BytesMut::from(&MARK[..]);
        match self {
            ImportOrder::Begin { source, start } => {
                out.put_u8(BEGIN);
                out.put_i64(*start);
                let length = i16::try_from(source.len()).unwrap_or(i16::MAX);
                out.put_i16(length);
                out.put_slice(&source.as_bytes()[..length as usize]);
            }
            ImportOrder::Batches { after, .. } => {
                out.put_u8(BATCHES);
                out.put_i64(*after);
            }
            ImportOrder::End { end } => {
                out.put_u8(END);
                out.put_i64(*end);
            }
        }
        let mut records = Records::from(out.freeze());
        if let ImportOrder::Batches { batches, .. } = self {
            batches.pieces().for_each(|piece| records.push(piece.clone()));
        }
        records
    }
}

fn source(rest: &[u8]) -> Result<String, BadOrder> {
    let (length, text) = rest.split_first_chunk().ok_or(BadOrder("the order ends before its source"))?;
    if usize::try_from(i16::from_be_bytes(*length)) != Ok(text.len()) {
        return Err(BadOrder("the source is not as long as it says"));
    }
    String::from_utf8(text.to_vec()).map_err(|_| BadOrder("the source is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> [ImportOrder; 3] {
        [
            ImportOrder::Begin { source: "cluster/topic/3".into(), start: 17 },
            ImportOrder::Batches { after: 20, batches: Bytes::from_static(b"not looked into").into() },
            ImportOrder::End { end: i64::MAX },
        ]
    }

    #[test]
    fn an_order_comes_back_as_it_went_out_and_is_no_batch() {
        for order in orders() {
            let bytes = order.to_records().into_bytes();
            assert!(ImportOrder::begins(&bytes) && !(0..=2).contains(&bytes[16]));
            assert_eq!(ImportOrder::read(&bytes), Ok(order));
        }
        assert!(!ImportOrder::begins(&[0; 61]) && !ImportOrder::begins(b""));
    }

    #[test]
    fn an_order_that_is_cut_or_goes_on_is_refused() {
        for order in orders() {
            let bytes = order.to_records().into_bytes();
            for end in 0..bytes.len() {
                let cut = ImportOrder::read(&bytes.slice(..end));
                let shorter = matches!(&cut, Ok(ImportOrder::Batches { .. }))
                    && matches!(order, ImportOrder::Batches { .. });
                assert!(cut.is_err() || shorter, "{order:?} cut at {end}: {cut:?}");
            }
            let longer = Bytes::from([&bytes[..], b"x"].concat());
            assert_eq!(ImportOrder::read(&longer).is_ok(), matches!(order, ImportOrder::Batches { .. }));
        }
    }
}
