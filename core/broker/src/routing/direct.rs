//! Bindings by the routing key itself.

use std::collections::HashMap;

use forebay_model::exchange::RoutingKey;

use super::found::Found;
use super::targets::{Target, Targets};

/// Targets by key. No set is empty.
#[derive(Debug, Default)]
pub(super) struct DirectIndex {
    by_key: HashMap<RoutingKey, Targets>,
}

impl DirectIndex {
    pub(super) fn add(&mut self, key: &RoutingKey, target: Target) {
        self.by_key.entry(key.clone()).or_default().add(target);
    }

    pub(super) fn remove(&mut self, key: &RoutingKey, target: Target) {
        let targets = self.by_key.get_mut(key).expect("a binding that goes was there");
        targets.remove(target);
        if targets.is_empty() {
            self.by_key.remove(key);
        }
    }

    pub(super) fn find(&self, key: &[u8], found: &mut Found) {
        if let Some(targets) = self.by_key.get(key) {
            found.targets(targets);
        }
    }

    /// How many keys there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }
}
