//! Limits of the front desk.

/// Clients, by what a quota tells them apart by, that are counted one by one; those above share one count per kind of quota until
/// others are silent.
pub(crate) const METERS_MAX: usize = 10_000;
/// Bytes of a name by which a client is counted. What is longer counts as if it were cut off here.
pub(crate) const METER_NAME_BYTES_MAX: usize = 1_024;
/// Changes of quotas in one request; those above are refused by themselves.
pub(crate) const QUOTA_CHANGES_PER_REQUEST_MAX: usize = 1_000;

/// How large the batch of messages for one queue becomes before another one begins.
pub(crate) const POST_BATCH_BYTES_MAX: usize = 512 << 10;

/// How many bytes more the batches of one publish may have when they are compressed as their topics say: what is small as it comes does
/// not fill the memory.
pub(crate) const GROWTH_BYTES_PER_PUBLISH_MAX: usize = 128 << 20;
