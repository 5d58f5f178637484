//! UpdateFeatures, and the features that ApiVersions names. Their levels are part of this binary: what asks for the present one
//! is granted, what asks for another is refused.

use forebay_kit::SessionError;
use forebay_kit::model::acl::{Operation, ResourceKind};

use super::asked::{Answer, Connection};
use super::dispatch::{Asking, Step};
use super::open::Replies;
use super::rights;
use crate::wire::messages::update_features::{FeatureUpdateKey, UpdatableFeatureResult};
use crate::wire::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use crate::wire::{ErrorCode, Str};

/// A feature whose level clients may ask for.
pub(super) struct Feature {
    /// Kafka's name for it.
    pub(super) name: &'static str,
    /// The highest level that is known; it is in force.
    pub(super) level: i16,
}

/// All of them. At 1 of `group.version` the broker assigns the partitions of groups that want it (KIP-848); at 1 of `share.version` there
/// are share groups (KIP-932). By the level of
/// `transaction.version` producers choose how their transactions go: at 2 partitions join them with the first batch, and every end raises
/// the epoch (KIP-890). Older producers go on in the older way.
pub(super) const FEATURES: &[Feature] = &[
    Feature { name: "group.version", level: 1 },
    Feature { name: "share.version", level: 1 },
    Feature { name: "transaction.version", level: 2 },
];

/// First version that says what kind of change is meant; before, whether the level may go down.
const KINDS_FROM: i16 = 1;
/// First version without an answer for each feature (KIP-1022).
const ONE_ERROR_FROM: i16 = 2;
/// What Kafka's controller puts before the error of the one feature for whose sake none is changed.
const ALL_FAILED: &str = "The update failed for all features since the following feature had an error: ";

/// What kind of change is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Upgrade,
    Downgrade,
}

/// What is answered to who may ask.
pub(super) struct Asked(UpdateFeaturesResponse);

pub(super) fn ask(asking: &mut Asking<'_>, request: UpdateFeaturesRequest) -> Step<UpdateFeaturesResponse> {
    let version = asking.version();
    let refused = request.feature_updates.iter().find_map(|update| refusal(version, update).err());
    let response = match refused {
        Some(why) => UpdateFeaturesResponse {
            error_code: ErrorCode::InvalidUpdateVersion,
            error_message: Some(Str::from(format!("{ALL_FAILED}{why}"))),
            ..Default::default()
        },
        None if version < ONE_ERROR_FROM => {
            let results = request.feature_updates.iter().map(|update| UpdatableFeatureResult {
                feature: update.feature.detached(),
                ..Default::default()
            });
            UpdateFeaturesResponse { results: results.collect(), ..Default::default() }
        }
        None => UpdateFeaturesResponse::default(),
    };
    Step::One(rights::on_cluster(), Asked(response).into())
}

impl Answer for Asked {
    type Response = UpdateFeaturesResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<UpdateFeaturesResponse, SessionError> {
        if rights::grants(Some(replies.one()?), Operation::Alter)? {
            return Ok(self.0);
        }
        let error_code = rights::code(ResourceKind::Cluster);
        Ok(UpdateFeaturesResponse { error_code, ..Default::default() })
    }
}

/// Why a level cannot be what is asked for, with Kafka's rules in Kafka's order, and last ours: no level changes here.
fn refusal(version: i16, update: &FeatureUpdateKey) -> Result<(), String> {
    let (name, wanted) = (update.feature.as_str(), update.max_version_level);
    let invalid = |why: &str| Err(format!("Invalid update version {wanted} for feature {name}. {why}"));
    let Some(kind) = kind(version, update) else {
        return invalid("The controller does not support the given upgrade type.");
    };
    if wanted < 0 {
        return invalid("A feature version cannot be less than 0.");
    }
    let Some(feature) = FEATURES.iter().find(|feature| feature.name == name) else {
        return invalid("This cluster does not support this feature.");
    };
    if wanted > feature.level {
        return invalid(&format!("This cluster only supports versions 0-{}", feature.level));
    }
    match kind {
        _ if wanted == feature.level => Ok(()),
        Kind::Upgrade => invalid(
            "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe \
             downgrade.",
        ),
        Kind::Downgrade => invalid("The version of this feature cannot be changed."),
    }
}

fn kind(version: i16, update: &FeatureUpdateKey) -> Option<Kind> {
    if version < KINDS_FROM {
        return Some(if update.allow_downgrade { Kind::Downgrade } else { Kind::Upgrade });
    }
    match update.upgrade_type {
        1 => Some(Kind::Upgrade),
        2 | 3 => Some(Kind::Downgrade),
        _ => None,
    }
}
