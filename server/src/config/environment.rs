//! Settings from environment variables.

use super::load::{Origin, Problem, Said};
use super::nearest::nearest_variable;
use super::settings::SETTINGS;
use super::table::{FILE_VARIABLE, VARIABLE_PREFIX};

/// What the variables that start with our prefix say, and what is wrong with them. Others are not looked at.
pub(super) fn parse(variables: &[(String, String)]) -> (Vec<Said>, Vec<Problem>) {
    let (mut said, mut problems) = (Vec::new(), Vec::new());
    for (name, text) in variables.iter().filter(|(name, _)| name.starts_with(VARIABLE_PREFIX)) {
        let origin = Origin::Variable(name.clone());
        match SETTINGS.iter().find(|setting| setting.variable() == *name) {
            Some(setting) => said.push(Said { key: setting.key, text: text.clone(), origin }),
            None if name == FILE_VARIABLE || is_service_link(name, text) => {}
            None => {
                let what = format!("there is no such setting; the nearest is {}", nearest_variable(name));
                problems.push(Problem { origin, what });
            }
        }
    }
    (said, problems)
}

/// Kubernetes and Docker tell every container of the services beside it. A service called `forebay` makes variables
/// that look like ours: FOREBAY_SERVICE_HOST, FOREBAY_PORT=tcp://10.0.0.1:9092, FOREBAY_PORT_9092_TCP_ADDR ...
fn is_service_link(name: &str, text: &str) -> bool {
    let name = &name[VARIABLE_PREFIX.len()..];
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| text.starts_with(scheme));
    name == "SERVICE_HOST"
        || name == "SERVICE_PORT"
        || name.starts_with("SERVICE_PORT_")
        || (name == "PORT" && is_url)
        || (name.starts_with("PORT_") && ["_TCP", "_UDP", "_SCTP"].iter().any(|word| name.contains(word)))
}
