//! Moving in: topics of another cluster are taken over, every batch as it is and at its offset, then where groups are.
//!
//! | file | noun |
//! |---|---|
//! | [`topics`] | which topics, and the same ones here |
//! | [`lane`] | a partition on its way over |
//! | [`batch`] | a batch of the source |
//! | [`source`], [`target`] | raw batches fetched; orders of an import published |
//! | [`worker`], [`crew`] | a thread that carries batches over; several of them |
//! | [`groups`], [`acls`] | where groups are; who may do what |
//! | [`cut_over`] | the end of an import |
//! | [`verify`] | both sides read again and compared |
//! | [`check`], [`finding`] | what of a cluster would be different here |
//! | [`run`] | all of it, pass by pass |
//! | [`report`] | what became of it, in words and as JSON |
//!
//! No file is kept beside the target: a partition under import knows its source and where it ends, and takes each batch once.

pub mod acls;
pub mod batch;
pub mod check;
pub mod crew;
pub mod cut_over;
pub mod finding;
pub mod groups;
pub mod lane;
pub mod report;
pub mod run;
pub mod source;
pub mod target;
pub mod topics;
pub mod verify;
pub mod worker;

use crate::client::reach::reach;
use crate::client::{ClientError, Cluster, ClusterOptions};

/// Both ends of an import.
pub struct Sides {
    /// How to connect to where records come from.
    pub source_options: ClusterOptions,
    /// How to connect to where they go.
    pub target_options: ClusterOptions,
    /// Where they come from.
    pub source: Cluster,
    /// Where they go.
    pub target: Cluster,
}

impl Sides {
    /// Connects to both.
    ///
    /// # Errors
    /// When one of them does not answer.
    pub fn connect(source: ClusterOptions, target: ClusterOptions) -> Result<Sides, ClientError> {
        Ok(Sides {
            source: reach(source.clone(), "--from-config")?,
            target: reach(target.clone(), "--to-config")?,
            source_options: source,
            target_options: target,
        })
    }
}
