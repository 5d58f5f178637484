//! What the commands write and read: records as lines and as JSON, times, tables, progress.

pub mod number;
pub mod progress;
pub mod record;
pub mod table;
pub mod time;
