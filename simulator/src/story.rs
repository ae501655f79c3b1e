//! *The 2:07 a.m. incident*, the demo: a shop at night, a connection pool that was made too small
//! at 01:55, and the settlement run at 02:07 that it does not survive.

use model::time::{Nanos, Timestamp};

use crate::changes::{Action, PlannedChange};
use crate::fault::{Fault, FaultKind};
use crate::scenario::{AlertNoise, Encoding, Imperfections, Scenario};
use crate::shop::{Shop, shop};
use crate::traffic::{Ramp, Traffic};

/// The seed of the demo.
const SEED: u64 = 207;
/// Midnight, UTC, of the night of the story.
const MIDNIGHT: Timestamp = Timestamp(1_773_705_600_000_000_000);

fn at(hour: i64, minute: i64, second: i64) -> Timestamp {
    MIDNIGHT + Nanos::from_secs(3_600 * hour + 60 * minute + second)
}

/// The demo: 2026-03-17, telemetry from 01:47 to 02:29 UTC.
///
/// At 01:55 `payment` gets a connection pool of 5 instead of 50. At night that is enough, until
/// the settlement run begins at 02:07. Checkout waits, gives up, retries; errors spread to the
/// ingress; at 02:16 the setting is put back. A certificate of the ingress (01:27), a deploy of
/// `recommendation` (02:02) and one of `checkout` (00:07) look guilty and are not.
#[must_use]
pub fn the_two_oh_seven() -> Scenario {
    let shop = shop();
    let until = at(2, 16, 10);
    let guilty = String::from("config-payment-db-pool-0155");
    Scenario {
        name: String::from("the-two-oh-seven"),
        seed: SEED,
        traffic: Traffic {
            routes: shop.routes.clone(),
            swing: 0.06,
            ramps: vec![Ramp {
                route: shop.settlement_route,
                from: at(2, 7, 0),
                until: at(2, 24, 0),
                factor: 3.0,
            }],
        },
        faults: vec![Fault {
            kind: FaultKind::PoolStarved { service: shop.payment, wait_ms: 740.0 },
            start: at(2, 7, 0),
            end: until,
            ramp: Nanos::from_secs(15),
            change_id: Some(guilty.clone()),
        }],
        changes: changes(&shop, guilty),
        world: shop.world,
        imperfections: Imperfections::default(),
        start: at(1, 47, 0),
        length: Nanos::from_secs(42 * 60),
        encoding: Encoding::OtlpProto,
        noise: AlertNoise::Usual,
        windows: Vec::new(),
    }
}

fn changes(shop: &Shop, guilty: String) -> Vec<PlannedChange> {
    let deploy = |version: &str, message: &str| Action::Deploy {
        version: version.to_owned(),
        share: 1.0,
        stagger: Nanos::from_secs(20),
        message: message.to_owned(),
    };
    let pool = |before: &str, after: &str| Action::Config {
        key: String::from("db.pool.max_size"),
        before: before.to_owned(),
        after: after.to_owned(),
    };
    let change = |id: &str, service, at, action, author: &str| PlannedChange {
        id: id.to_owned(),
        service,
        at,
        action,
        author: author.to_owned(),
    };
    let certificate = Action::Certificate { name: String::from("shop.example") };
    let checkout = deploy("4.18.0", "show the delivery window on the last page");
    let recommendation = deploy("2.7.1", "weigh items seen in the last hour higher");
    vec![
        change("deploy-checkout-4.18.0", shop.checkout, at(0, 7, 0), checkout, "team-checkout"),
        change("cert-ingress-0127", shop.ingress, at(1, 27, 0), certificate, "cert-manager"),
        change(&guilty, shop.payment, at(1, 55, 0), pool("50", "5"), "team-payments"),
        change(
            "deploy-recommendation-2.7.1",
            shop.recommendation,
            at(2, 2, 0),
            recommendation,
            "team-discovery",
        ),
        change(
            "config-payment-db-pool-0216",
            shop.payment,
            at(2, 16, 0),
            pool("5", "50"),
            "team-payments",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_night_is_the_one_of_the_story() {
        assert_eq!(MIDNIGHT.to_rfc3339(), "2026-03-17T00:00:00.000Z");
        let scenario = the_two_oh_seven();
        assert_eq!(scenario.end().to_hms(), "02:29:00");
    }
}
