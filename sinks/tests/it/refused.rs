//! What people decided at a destination and could not be carried out is told to them there, once.

use model::people::{Refused, Said};

use crate::contract::{Destination, ROWS, Shown};
use crate::fixture::{at, incident};

/// What ann wanted at a sink and did not get.
pub(crate) fn refusal(via: &str) -> Refused {
    let said = Said {
        act: format!("{via}:1:merge").into(),
        author: "ann".into(),
        via: via.into(),
        at: at(60),
        text: String::new(),
    };
    let why = String::from("2 is closed; merge it the other way");
    Refused { said, wanted: String::from("merged 1 into 2"), why }
}

/// How often a destination says it.
fn count(double: &dyn Destination) -> usize {
    let said = "Not carried out here: ann merged 1 into 2. Why: 2 is closed";
    // Not the fallback of a message, which says the same for notifications.
    let words = |shown: &Shown| !matches!(shown, Shown::Mrkdwn(_));
    let texts = double.texts();
    texts.iter().filter(|shown| words(shown)).map(|shown| shown.text().matches(said).count()).sum()
}

#[test]
fn whoever_was_refused_is_told_where_they_decided_once_and_not_elsewhere() {
    // Those where people can decide something; a message of theirs names the act.
    for row in ROWS.iter().filter(|row| row.has_templates && row.name != "teams") {
        let double = (row.start)();
        let mut world = double.world();
        let own = world.config().name().to_owned();
        let mut revision = incident(1);
        world.publish(&revision, at(10));
        world.run(at(10));
        for (secs, via, told) in
            [(100, "elsewhere", 0), (200, own.as_str(), 1), (300, "elsewhere", 1)]
        {
            revision.revision += 1;
            let mut refused = refusal(via);
            refused.said.act = format!("{via}:{secs}").into();
            revision.people.refused.push(refused);
            world.publish(&revision, at(secs));
            world.drain(at(secs));
            assert_eq!(count(&*double), told, "{} {via}: {:?}", row.name, double.texts());
        }
        // Later news, and a restart: it is not said again.
        world.restart(at(350));
        revision.revision += 1;
        revision.services.push("cart".into());
        world.publish(&revision, at(400));
        world.drain(at(400));
        let lasting = row.name == "pagerduty" || row.name == "servicenow_events";
        // There each event says the whole alert anew.
        assert_eq!(count(&*double), if lasting { 2 } else { 1 }, "{}", row.name);
        assert_eq!(double.broken(), Vec::<String>::new(), "{}", row.name);
    }
}
