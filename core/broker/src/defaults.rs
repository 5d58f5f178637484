//! What applies to topics that set nothing: by the node's configuration, and stronger what was set for all nodes in the catalogue.

use forebay_machine::{Catalog, Command};
use forebay_model::admin::{AlterDefaults, DescribedDefaults};
use forebay_model::{Cleanup, Refusal, Reply, SettingsChange, TopicDefaults};
use forebay_shard::Answer;

use crate::broker::{Inner, Replies};
use crate::call::{Asker, Step};
use crate::provision::Change;
use crate::topics::settle;

impl Inner {
    /// What is in force by this copy of the catalogue.
    pub(crate) fn defaults(&self, catalogue: &Catalog) -> TopicDefaults {
        self.config.defaults.with(catalogue.defaults())
    }

    pub(crate) fn describe_defaults(&self, asker: &Asker) -> Reply {
        let (node, all) = (self.config.defaults.clone(), self.catalogue().defaults().clone());
        Reply::DescribeDefaults(
            Box::new(DescribedDefaults { node, all, creates: self.config.auto_create }),
            self.cluster(asker),
        )
    }

    pub(crate) fn alter_defaults(&self, asker: Asker, alter: AlterDefaults, replies: &mut Replies) {
        let AlterDefaults { change, dry_run, timeout_ms } = alter;
        let catalogue = self.catalogue();
        let present = catalogue.defaults();
        let checked = check_lags(&self.config.defaults.with(&change.of(present)).cleanup);
        if dry_run || checked.is_err() {
            return self.finish(&asker, Reply::AlterDefaults(checked), replies);
        }
        let change = SettingsChange {
            cleanup: change.cleanup.without_idle(&present.cleanup),
            intake: change.intake.without_idle(&present.intake),
            ..change
        };
        let commands = vec![Command::AlterDefaults(change)];
        self.propose(asker, Step::AlterDefaults { timeout_ms }, commands, replies);
    }

    /// Waits until every shard's partitions are as the new defaults want them.
    pub(crate) fn defaults_altered(
        &self,
        asker: Asker,
        timeout_ms: u32,
        answer: Answer,
        replies: &mut Replies,
    ) {
        let mut refused = vec![None];
        let version = settle(&mut refused, answer);
        let change = Change::Defaults(refused.pop().flatten());
        self.when_provisioned(asker, version, timeout_ms, change, replies);
    }
}

/// Whether how records are compacted makes sense as a whole.
pub(crate) fn check_lags(cleanup: &Cleanup) -> Result<(), Refusal> {
    if cleanup.lag_ms_min > cleanup.lag_ms_max {
        return Err(Refusal::InvalidSetting(format!(
            "records cannot stay uncompacted for {} ms at least and {} ms at most",
            cleanup.lag_ms_min, cleanup.lag_ms_max
        )));
    }
    Ok(())
}
