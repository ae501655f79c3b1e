//! Records whose case is gone.

use model::alert::Severity::Critical;
use model::command::Decision;
use model::id::{CellId, IncidentId};
use model::incident::{Incident, IncidentState};
use model::time::{Nanos, Timestamp};

use super::{Around, Registry, Told};
use crate::correlate::config::CorrelateConfig;
use crate::correlate::output::Output;
use crate::correlate::people::Standing;
use crate::correlate::tests::dsl::{Story, at, said};
use crate::correlate::world::{Rules, World};

fn incident(services: &[&str], alert: &str) -> Incident {
    let story = Story::new("front>ads", 700).fires(600, alert, Critical);
    let mut incident = story.run().revisions[0].0.clone();
    incident.services = services.iter().map(|name| (*name).into()).collect();
    incident.people = model::people::People::default();
    incident
}

fn told(case: u64, incident: &Incident) -> Told {
    let mut incident = incident.clone();
    incident.revision = 0;
    Told {
        case: IncidentId(case),
        merged_from: Vec::new(),
        split_from: None,
        incident,
        settled: false,
        muted_by: None,
    }
}

struct Place {
    cell: CellId,
    config: CorrelateConfig,
    standing: Standing,
    world: World,
}

impl Place {
    fn new() -> Self {
        let config = CorrelateConfig::default();
        let world = World::new(&config);
        Self { cell: CellId("test".into()), config, standing: Standing::default(), world }
    }

    fn around(&self, now: Timestamp) -> Around<'_> {
        let rules = Rules::new(&self.cell, &self.config, &self.standing);
        Around { world: &self.world, rules, now }
    }
}

fn last(outputs: &[Output], id: u64) -> &Incident {
    let found = outputs.iter().rev().find_map(|output| match output {
        Output::Incident { incident, .. } if incident.id == IncidentId(id) => Some(incident),
        _ => None,
    });
    found.unwrap()
}

#[test]
fn what_lives_on_in_another_incident_is_merged_and_not_withdrawn() {
    let place = Place::new();
    let (one, other) =
        (incident(&["ads"], "Down service=ads"), incident(&["front"], "Down service=ads"));
    let mut registry = Registry::default();
    registry.update(vec![told(1, &one), told(2, &other)], place.around(at(600)));
    let act = said(610, "c", Decision::Comment { incident: IncidentId(1) });
    registry.act(&act, IncidentId(1), place.around(at(610))).unwrap();
    let outputs = registry.update(vec![told(2, &other)], place.around(at(620)));
    let gone = last(&outputs, 1);
    assert_eq!(gone.state, IncidentState::Merged);
    assert_eq!(gone.lineage.merged_into, Some(IncidentId(2)));
    let kept = last(&outputs, 2);
    assert_eq!(kept.lineage.merged_from, [IncidentId(1)]);
    assert_eq!(kept.people.comments.len(), 1, "what was said of it came along");
    let again = registry.update(vec![told(2, &other)], place.around(at(640)));
    assert_eq!(again.len(), 0, "its lineage is remembered");
}

#[test]
fn what_lives_on_nowhere_is_withdrawn_unless_a_person_holds_it() {
    let place = Place::new();
    let one = incident(&["ads"], "Down service=ads");
    let other = incident(&["front"], "Slow service=front");
    for held in [false, true] {
        let mut registry = Registry::default();
        registry.update(vec![told(1, &one), told(2, &other)], place.around(at(600)));
        if held {
            let act = said(610, "r", Decision::Reopen { incident: IncidentId(1) });
            registry.act(&act, IncidentId(1), place.around(at(610))).unwrap();
        }
        let outputs = registry.update(vec![told(2, &other)], place.around(at(620)));
        if held {
            assert_eq!(outputs.len(), 0);
        } else {
            assert_eq!(last(&outputs, 1).state, IncidentState::Withdrawn);
        }
    }
}

#[test]
fn what_comes_back_stands_for_itself_again() {
    let place = Place::new();
    let (one, other) =
        (incident(&["ads"], "Down service=ads"), incident(&["front"], "Down service=ads"));
    let mut registry = Registry::default();
    registry.update(vec![told(1, &one), told(2, &other)], place.around(at(600)));
    registry.update(vec![told(2, &other)], place.around(at(620)));
    let both = vec![told(1, &one), told(2, &other)];
    let outputs = registry.update(both, place.around(at(620) + Nanos::from_secs(60)));
    assert_eq!(last(&outputs, 1).lineage.merged_into, None);
    assert!(last(&outputs, 2).lineage.merged_from.is_empty());
}
