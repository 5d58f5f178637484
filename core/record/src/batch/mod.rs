//! The record batch in the v2 layout (docs/formats/record-batch.md): 61 bytes of header, then records, perhaps
//! compressed as one block.

mod build;
mod check;
mod crc;
mod deflate;
mod error;
mod filter;
mod find;
mod header;
mod inflate;
mod mark;
mod patch;
mod records;
mod split;
mod varint;
mod walk;

pub use build::{BatchBuilder, NewRecord, Producer, recompress};
pub use check::{CheckLimits, Depth, admit, check, check_stored, verify};
pub use deflate::Level;
pub use error::{BatchError, Fault, RecordFault};
pub use filter::{Filtered, KeyedRecord, filter, for_each_key, without_key};
pub use find::{first_at_max_timestamp, first_at_or_after, outside};
pub use header::{Attributes, BatchHeader, Codec, HEADER_BYTES};
pub use mark::{MARK_BYTES, decision_of, transaction_mark};
pub use patch::{reissue, set_append_time, set_max_timestamp, stamp, with_append_time};
pub use records::{Header, Record, Records};
pub use split::Batches;
