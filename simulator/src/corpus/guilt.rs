//! Guilt: the change that causes a fault, for the kinds that changes cause.

use model::time::{Nanos, Timestamp};

use crate::changes::{Action, PlannedChange};
use crate::dice::Dice;
use crate::fault::FaultKind;

/// What people write about a change. Guilty and innocent ones are described in the same words.
const MESSAGES: [&str; 12] = [
    "bump the client library",
    "handle empty lists",
    "read the page size from the request",
    "move validation before the lookup",
    "switch to the new serializer",
    "cache the last answer",
    "rename internal fields",
    "add a counter for rejected requests",
    "fetch details in one query",
    "drop support for the old header",
    "reword messages for callers",
    "prepare the next schema version",
];

/// A deploy of the next version, described at random.
pub(super) fn deploy(dice: &mut Dice, share: f64) -> Action {
    let message = dice.pick(&MESSAGES).copied().unwrap_or_default();
    Action::Deploy {
        version: format!("1.{}.{}", 1 + dice.below(8), dice.below(10)),
        share,
        stagger: Nanos::from_secs(8),
        message: message.to_owned(),
    }
}

/// A feature flag that is turned on.
pub(super) fn flag(dice: &mut Dice) -> Action {
    let flags = ["strict-mode", "new-layout", "fast-path", "bulk-read", "price-rounding"];
    Action::FeatureFlag {
        flag: dice.pick(&flags).copied().unwrap_or_default().to_owned(),
        before: String::from("off"),
        after: String::from("on"),
    }
}

/// The guilty change of a fault that begins at `start`. `None` for kinds that no change causes, and,
/// unless `always`, now and then for those that one may cause: its cause is not recorded anywhere.
pub(super) fn guilty(
    dice: &mut Dice,
    kind: &FaultKind,
    start: Timestamp,
    always: bool,
) -> Option<PlannedChange> {
    let id = id(dice);
    let recorded = always || dice.chance(0.75);
    let (service, lead_s, action) = match *kind {
        FaultKind::BadDeploy { service, .. } => (service, 0.0, deploy(dice, 0.5)),
        FaultKind::PoolStarved { service, .. } => {
            (service, dice.between(10.0, 240.0), setting("db.pool.max_size", "20", "2"))
        }
        FaultKind::PatienceCut { service, timeout_ms } => {
            let after = format!("{timeout_ms:.0}");
            (service, dice.between(1.0, 20.0), setting("client.timeout_ms", "2000", &after))
        }
        FaultKind::SlowCode { service, .. } if recorded => {
            (service, dice.between(16.0, 30.0), deploy(dice, 1.0))
        }
        FaultKind::MemoryLeak { service, .. } if recorded => {
            (service, dice.between(30.0, 150.0), deploy(dice, 1.0))
        }
        FaultKind::ErrorBurst { service, .. } if recorded => {
            let action = if dice.chance(0.5) { flag(dice) } else { deploy(dice, 1.0) };
            (service, dice.between(2.0, 20.0), action)
        }
        FaultKind::CertificateInvalid { service } if recorded => {
            let name = format!("{id}.internal.example");
            (service, dice.between(1.0, 10.0), Action::Certificate { name })
        }
        _ => return None,
    };
    let author = String::from("someone");
    Some(PlannedChange { id, service, at: start - Nanos((lead_s * 1e9) as i64), action, author })
}

/// The id of a change. It tells nothing.
pub(super) fn id(dice: &mut Dice) -> String {
    format!("chg-{:08x}", dice.id64() >> 32)
}

fn setting(key: &str, before: &str, after: &str) -> Action {
    Action::Config { key: key.to_owned(), before: before.to_owned(), after: after.to_owned() }
}
