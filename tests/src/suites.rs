//! All suites, by what speaks to the broker.

mod clients;
mod hostile;
mod kcat;
mod process;
mod tools;

use crate::case::Suite;

/// Every suite, the longest first, so that none runs alone at the end.
pub fn all() -> Vec<Suite> {
    let mut all = clients::suites();
    all.extend([tools::suite(), kcat::suite(), hostile::suite(), process::suite()]);
    all
}
