//! Tables built, read, and broken.

use bytes::BytesMut;

use super::*;
use crate::limits::{TABLE_DEPTH_MAX, TABLE_ENTRIES_MAX};
use crate::wire::error::{EncodeError, TableFlaw};

fn flaw(bytes: &[u8]) -> TableFault {
    Table::parse(Bytes::copy_from_slice(bytes)).expect_err("it is broken")
}

/// Bytes of each type of value, by hand, with what they mean.
fn every_type() -> Vec<(&'static [u8], Value<'static>)> {
    vec![
        (b"t\x01", Value::Bool(true)),
        (b"t\x00", Value::Bool(false)),
        (b"b\xff", Value::I8(-1)),
        (b"B\xff", Value::U8(255)),
        (b"s\xff\xfe", Value::I16(-2)),
        (b"u\xff\xfe", Value::U16(65_534)),
        (b"I\xff\xff\xff\xfd", Value::I32(-3)),
        (b"i\xff\xff\xff\xfd", Value::U32(4_294_967_293)),
        (b"l\xff\xff\xff\xff\xff\xff\xff\xfc", Value::I64(-4)),
        (b"f\x3f\xc0\x00\x00", Value::F32(1.5)),
        (b"d\xc0\x04\x00\x00\x00\x00\x00\x00", Value::F64(-2.5)),
        (b"D\x02\x00\x00\x01\x3a", Value::Decimal { scale: 2, digits: 314 }),
        (b"S\x00\x00\x00\x03abc", Value::text("abc")),
        (b"A\x00\x00\x00\x03VVV", Value::Array(ArrayView(b"VVV"))),
        (b"T\x00\x00\x00\x00\x65\x53\xf1\x00", Value::Timestamp(1_700_000_000)),
        (b"F\x00\x00\x00\x03\x01aV", Value::Table(TableView(b"\x01aV"))),
        (b"V", Value::Void),
        (b"x\x00\x00\x00\x02\x00\xff", Value::Bytes(b"\x00\xff")),
    ]
}

#[test]
fn every_type_of_value_is_read_and_written() {
    for (bytes, meaning) in every_type() {
        let table = Table::parse(Bytes::from([b"\x04name", bytes].concat())).unwrap();
        assert_eq!(table.fields().collect::<Vec<_>>(), [(&b"name"[..], meaning)]);
        let built = TableBuilder::new().put("name", meaning).finish().unwrap();
        assert_eq!(built, table);
        let array = ArrayBuilder::new().put(meaning).put(meaning).finish().unwrap();
        assert_eq!(array.view().as_bytes(), [bytes, bytes].concat());
        assert_eq!(array.view().items().collect::<Vec<_>>(), [meaning, meaning]);
    }
}

#[test]
fn what_rabbitmq_reads_in_more_than_one_way_is_read_so_here() {
    let table =
        Table::parse(Bytes::from_static(b"\x01aL\xff\xff\xff\xff\xff\xff\xff\xff\x01bt\x07")).unwrap();
    assert_eq!(table.get("a"), Some(Value::I64(-1)));
    assert_eq!(table.get("b"), Some(Value::Bool(true)));
}

#[test]
fn order_and_repeated_names_are_kept() {
    let table = TableBuilder::new()
        .put("b", Value::I32(1))
        .put("a", Value::I32(2))
        .put("b", Value::I32(3))
        .put_raw(b"\xff", Value::Void)
        .finish()
        .unwrap();
    let names: Vec<&[u8]> = table.fields().map(|(name, _)| name).collect();
    assert_eq!(names, [&b"b"[..], b"a", b"b", b"\xff"]);
    assert_eq!(table.get("b"), Some(Value::I32(1)), "the first one");
    assert_eq!(table.get("c"), None);
    assert_eq!(format!("{table:?}"), r#"{"b": 1i32, "a": 2i32, "b": 3i32, b"\xff": void}"#);
}

#[test]
fn a_table_cut_anywhere_is_refused() {
    let mut whole = BytesMut::new();
    for (bytes, _) in every_type() {
        whole.extend_from_slice(b"\x02ab");
        whole.extend_from_slice(bytes);
    }
    let ends: Vec<usize> = every_type()
        .iter()
        .scan(0, |end, (bytes, _)| {
            *end += 3 + bytes.len();
            Some(*end)
        })
        .collect();
    for length in 1..whole.len() {
        let cut = Table::parse(Bytes::copy_from_slice(&whole[..length]));
        if ends.contains(&length) {
            assert!(cut.is_ok(), "{length} bytes end between two fields");
        } else {
            let began = ends.iter().rev().find(|end| **end < length).copied().unwrap_or(0);
            let fault = TableFault { flaw: TableFlaw::Ended, at: began as u32 };
            assert_eq!(cut, Err(fault), "{length} bytes");
        }
    }
}

#[test]
fn an_unknown_type_is_named_with_its_place() {
    assert_eq!(flaw(b"\x01aV\x01bZ"), TableFault { flaw: TableFlaw::UnknownType(b'Z'), at: 3 });
    assert_eq!(
        flaw(b"\x01aF\x00\x00\x00\x06\x01bV\x01c?"),
        TableFault { flaw: TableFlaw::UnknownType(b'?'), at: 10 }
    );
}

#[test]
fn what_is_inside_never_reads_behind_its_end() {
    // The inner table ends within its field, and the outer one has the bytes that it lacks.
    let inner_too_short = b"\x01aF\x00\x00\x00\x05\x01bI\x00\x00\x00\x01\x01cV";
    assert_eq!(flaw(inner_too_short), TableFault { flaw: TableFlaw::Ended, at: 7 });
    let array_too_short = b"\x01aA\x00\x00\x00\x02I\x00\x00\x00\x01";
    assert_eq!(flaw(array_too_short), TableFault { flaw: TableFlaw::Ended, at: 7 });
    let claims_too_much = b"\x01aS\xff\xff\xff\xffabc";
    assert_eq!(flaw(claims_too_much), TableFault { flaw: TableFlaw::Ended, at: 0 });
}

/// An array in an array in ... so many times, counted with the table around them.
fn nested(depth: usize) -> Vec<u8> {
    const HEAD: usize = 5;
    let mut bytes = b"\x01a".to_vec();
    for inner in (0..depth - 1).rev() {
        bytes.push(b'A');
        bytes.extend(u32::try_from(inner * HEAD).unwrap().to_be_bytes());
    }
    if depth == 1 {
        bytes.push(b'V');
    }
    bytes
}

#[test]
fn depth_is_bounded() {
    assert!(Table::parse(Bytes::from(nested(TABLE_DEPTH_MAX))).is_ok());
    assert_eq!(flaw(&nested(TABLE_DEPTH_MAX + 1)).flaw, TableFlaw::TooDeep);
    // As deep as the longest frame can be: refused without recursion and without memory.
    let deepest = Bytes::from(nested(26_000));
    let _shared = deepest.clone();
    let used = allocation_counter::measure(|| {
        assert_eq!(Table::parse(deepest.clone()).unwrap_err().flaw, TableFlaw::TooDeep);
    });
    assert_eq!(used.count_total, 0);
}

#[test]
fn what_lies_side_by_side_is_not_deep() {
    let mut builder = TableBuilder::new();
    let inner = TableBuilder::new().put("x", Value::Void).finish().unwrap();
    for _ in 0..10 * TABLE_DEPTH_MAX {
        builder = builder.put("a", Value::Table(inner.view()));
    }
    assert_eq!(builder.finish().unwrap().fields().count(), 10 * TABLE_DEPTH_MAX);
}

#[test]
fn the_number_of_fields_is_bounded_over_all_that_is_nested() {
    let fields = |count: usize| b"\x00V".repeat(count);
    assert!(Table::parse(Bytes::from(fields(TABLE_ENTRIES_MAX))).is_ok());
    assert_eq!(flaw(&fields(TABLE_ENTRIES_MAX + 1)).flaw, TableFlaw::TooMany);
    let half = Array::parse(Bytes::from(vec![b'V'; TABLE_ENTRIES_MAX / 2])).unwrap();
    let twice = |builder: TableBuilder| builder.put("", Value::Array(half.view()));
    let fault = twice(twice(TableBuilder::new())).finish().unwrap_err();
    assert!(matches!(fault, EncodeError::Table(TableFault { flaw: TableFlaw::TooMany, .. })), "{fault:?}");
}

#[test]
fn a_builder_refuses_what_nobody_could_read() {
    let long = "x".repeat(256);
    assert_eq!(
        TableBuilder::new().put(&long, Value::Void).put("a", Value::Void).finish(),
        Err(EncodeError::ShortStringTooLong { length: 256 })
    );
    let mut table = TableBuilder::new().put("x", Value::Void).finish().unwrap();
    for _ in 1..TABLE_DEPTH_MAX {
        table = TableBuilder::new().put("in", Value::Table(table.view())).finish().unwrap();
    }
    let deeper = TableBuilder::new().put("in", Value::Table(table.view())).finish();
    assert!(
        matches!(deeper, Err(EncodeError::Table(TableFault { flaw: TableFlaw::TooDeep, .. }))),
        "{deeper:?}"
    );
}

#[test]
fn reading_costs_no_memory() {
    let inner = TableBuilder::new().put("count", Value::I64(3)).put("queue", Value::text("q")).finish();
    let deaths = ArrayBuilder::new().put(Value::Table(inner.unwrap().view())).finish().unwrap();
    let headers = TableBuilder::new()
        .put("trace", Value::text("abc"))
        .put("x-death", Value::Array(deaths.view()))
        .finish()
        .unwrap();
    let bytes = headers.as_bytes().clone();
    let used = allocation_counter::measure(|| {
        let table = Table::parse(bytes.clone()).unwrap();
        let Some(Value::Array(deaths)) = table.get("x-death") else { panic!("it is there") };
        let Some(Value::Table(death)) = deaths.items().next() else { panic!("it has one") };
        assert_eq!(death.get("count").and_then(|count| count.as_integer()), Some(3));
    });
    assert_eq!(used.count_total, 0);
}

#[test]
fn only_whole_numbers_are_integers() {
    let integers = every_type().into_iter().filter_map(|(_, value)| value.as_integer());
    assert_eq!(integers.collect::<Vec<_>>(), [-1, 255, -2, 65_534, -3, 4_294_967_293, -4]);
}
