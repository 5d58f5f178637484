//! What a Produce answer says of the one batch it is about.
//!
//! Only what has to be known is read, without allocating: the codec would make lists of topics and partitions of it.
//! When the answer is a refusal, the codec reads the broker's words.

use bytes::Bytes;
use forebay_kafka::wire::field::Form;
use forebay_kafka::wire::messages::ProduceResponse;
use forebay_kafka::wire::{ApiKey, Cursor, ErrorCode, Response, Str};

/// A batch was stored, or was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirm {
    /// Which request is answered.
    pub correlation: i32,
    /// The partition the batch was for.
    pub partition: i32,
    /// What went wrong.
    pub error: ErrorCode,
    /// Offset of the batch's first record; -1 where it was refused.
    pub base_offset: i64,
}

impl Confirm {
    /// Reads an answer about one topic's one partition; `None` when it is anything else.
    pub fn read(frame: &[u8], version: i16) -> Option<Confirm> {
        let form = ApiKey::Produce.form(version);
        let mut at = Reader { rest: frame, form };
        let correlation = at.int()?;
        at.skip_tags()?;
        at.one_element()?;
        at.skip_string()?;
        at.one_element()?;
        let partition = at.int()?;
        let error = ErrorCode::from_number(i16::from_be_bytes(at.array()?));
        let base_offset = i64::from_be_bytes(at.array()?);
        Some(Confirm { correlation, partition, error, base_offset })
    }
}

/// The broker's words in a refusal, if it had any.
pub fn words(frame: &[u8], version: i16) -> Option<String> {
    let frame = Bytes::copy_from_slice(frame);
    let (_, response) = ProduceResponse::read(&mut Cursor::new(&frame), version).ok()?;
    let partition = response.responses.first()?.partition_responses.first()?;
    partition.error_message.as_ref().map(Str::to_string).filter(|words| !words.is_empty())
}

struct Reader<'f> {
    rest: &'f [u8],
    form: Form,
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*array)
    }

    fn int(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.rest = self.rest.get(bytes..)?;
        Some(())
    }

    /// A variable-length integer: seven bits a byte, lowest first.
    fn uvarint(&mut self) -> Option<u32> {
        let mut number = 0_u64;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return number.try_into().ok();
            }
        }
        None
    }

    /// The length of an array, which must be one.
    fn one_element(&mut self) -> Option<()> {
        let length = match self.form {
            Form::Classic => self.int()?,
            Form::Compact => i32::try_from(self.uvarint()?).ok()? - 1,
        };
        (length == 1).then_some(())
    }

    fn skip_string(&mut self) -> Option<()> {
        let length = match self.form {
            Form::Classic => usize::try_from(i16::from_be_bytes(self.array()?)).ok()?,
            Form::Compact => (self.uvarint()? as usize).checked_sub(1)?,
        };
        self.skip(length)
    }

    /// The tagged fields of the header; what they mean is nothing to us.
    fn skip_tags(&mut self) -> Option<()> {
        if self.form == Form::Classic {
            return Some(());
        }
        for _ in 0..self.uvarint()? {
            self.uvarint()?;
            let length = self.uvarint()?;
            self.skip(length as usize)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_kafka::wire::messages::produce::{PartitionProduceResponse, TopicProduceResponse};

    fn answer(partitions: usize, error_code: ErrorCode, words: Option<&str>) -> ProduceResponse {
        let partition = PartitionProduceResponse {
            index: 3,
            error_code,
            base_offset: 77,
            error_message: words.map(Str::from),
            ..PartitionProduceResponse::default()
        };
        ProduceResponse {
            responses: vec![TopicProduceResponse {
                name: Str::from("topic"),
                partition_responses: vec![partition; partitions],
                ..TopicProduceResponse::default()
            }],
            ..ProduceResponse::default()
        }
    }

    fn frame(response: &ProduceResponse, version: i16) -> Vec<u8> {
        response.to_frame(version, 42).unwrap().into_bytes()[4..].to_vec()
    }

    #[test]
    fn an_answer_is_read_as_the_codec_wrote_it_in_every_version() {
        for version in 3..=12 {
            for error in [ErrorCode::None, ErrorCode::NotLeaderOrFollower] {
                let frame = frame(&answer(1, error, None), version);
                let expected = Confirm { correlation: 42, partition: 3, error, base_offset: 77 };
                assert_eq!(Confirm::read(&frame, version), Some(expected), "version {version}");
            }
        }
    }

    #[test]
    fn an_answer_that_ends_early_or_is_about_more_is_none() {
        for version in [3, 8, 9, 12] {
            let whole = frame(&answer(1, ErrorCode::None, None), version);
            for length in 0..whole.len() {
                // What is behind the offset is not looked at.
                let read = Confirm::read(&whole[..length], version);
                assert!(read.is_none() || length > 24, "version {version}, {length} bytes");
            }
            assert_eq!(Confirm::read(&frame(&answer(2, ErrorCode::None, None), version), version), None);
            assert_eq!(Confirm::read(&frame(&answer(0, ErrorCode::None, None), version), version), None);
        }
    }

    #[test]
    fn a_refusal_has_the_brokers_words() {
        let refused = frame(&answer(1, ErrorCode::InvalidRecord, Some("too old")), 9);
        assert_eq!(words(&refused, 9).as_deref(), Some("too old"));
        assert_eq!(words(&frame(&answer(1, ErrorCode::InvalidRecord, None), 9), 9), None);
    }
}
