//! The log alone: appends of one size with a flush after each, beside what fio does with the same.

use crate::peer::{COMMITLOG, FIO};
use crate::story::{Case, Scale, Work};

pub(super) fn cases(scale: Scale) -> Vec<Case> {
    let case = |bytes: u32, name: &str| {
        let work = Work::Appends { bytes, seconds: scale.seconds() };
        Case::new(name, work).only(&[COMMITLOG, FIO]).fresh()
    };
    vec![case(64 * 1024, "64 KiB"), case(1024 * 1024, "1 MiB")]
}
