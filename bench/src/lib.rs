//! The benchmarks' harness: starts Forebay and its peers on this machine, one after the other, drives the same work
//! with the same clients, and leaves one record per run. It judges nothing; the report and the baseline read the records.
#![forbid(unsafe_code)]

pub mod baseline;
pub mod failure;
pub mod instructions;
pub mod loadtool;
pub mod machine;
pub mod peer;
pub mod place;
pub mod process;
pub mod record;
pub mod report;
pub mod run;
pub mod story;
