//! What became of each incident under the other configuration.

use model::entity::Entity;
use model::id::IncidentId;
use model::incident::{Incident, IncidentState, Priority};
use model::name::Name;
use model::time::Timestamp;
use serde::Serialize;

use super::matching::{Group, groups};
use super::told::Told;

/// What kind of difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Only the newer configuration has it.
    Appears,
    /// Only the older configuration has it.
    Vanishes,
    /// Several of the older are one of the newer.
    Merges,
    /// One of the older is several of the newer.
    Splits,
    /// Several of the older are several others of the newer.
    Regroups,
    /// It is in both, and tells something else.
    Changes,
    /// It is in both and tells the same.
    Same,
}

/// What of an incident is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Entity, kind and change of the first hypothesis; not its probability.
    FirstHypothesis,
    /// ITIL priority.
    Priority,
    /// State at the end.
    State,
    /// Who is to work on it.
    Owner,
    /// When somebody would have been woken.
    PagedAt,
    /// When the trouble began.
    OnsetAt,
    /// When it was over.
    ResolvedAt,
    /// The services that take part.
    Services,
}

/// One thing that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What.
    pub what: What,
    /// As the older configuration tells it; null: not at all.
    pub old: Option<String>,
    /// As the newer configuration tells it.
    pub new: Option<String>,
}

/// The first hypothesis of a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct First {
    /// Who.
    pub entity: Entity,
    /// The blamed change's id, if one is blamed.
    pub change: Option<Name>,
    /// Unit: 0 to 1.
    pub probability: f64,
    /// In one sentence.
    pub summary: String,
}

/// One incident of one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Id.
    pub id: IncidentId,
    /// State at the end.
    pub state: IncidentState,
    /// Priority.
    pub priority: Priority,
    /// One line.
    pub title: String,
    /// When the trouble began.
    pub onset_at: Timestamp,
    /// When it was first open; null if it was only suspected.
    pub paged_at: Option<Timestamp>,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
    /// Who works on it.
    pub owner: Option<Name>,
    /// Services that take part.
    pub services: Vec<Name>,
    /// How many alerts it holds.
    pub alerts_count: usize,
    /// How many symptoms it holds.
    pub symptoms_count: usize,
    /// The most likely cause.
    pub first_hypothesis: Option<First>,
}

/// Incidents that are about the same trouble, and what of them differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// What kind.
    pub kind: Kind,
    /// The incidents of the older configuration.
    pub old: Vec<Row>,
    /// The incidents of the newer one.
    pub new: Vec<Row>,
    /// Alerts and symptoms that are in both.
    pub shared_members: usize,
    /// What changed, between the two that are most alike; empty where several became several.
    pub changed: Vec<Change>,
}

/// Compares two runs, in order of onset; incidents that tell the same are among the answer.
#[must_use]
pub fn differences(old: &[Told], new: &[Told]) -> Vec<Difference> {
    let mut all: Vec<Difference> =
        groups(old, new).iter().map(|group| difference(group, old, new)).collect();
    all.sort_by_key(|difference| {
        let rows = difference.old.iter().chain(&difference.new);
        rows.map(|row| (row.onset_at, row.id)).min()
    });
    all
}

fn difference(group: &Group, old: &[Told], new: &[Told]) -> Difference {
    let alike = group.alike.and_then(|(o, n)| Some((old.get(o)?, new.get(n)?)));
    let mut changed = alike.map(|(old, new)| changes(old, new)).unwrap_or_default();
    let kind = match (group.old.len(), group.new.len()) {
        (0, _) => Kind::Appears,
        (_, 0) => Kind::Vanishes,
        (1, 1) if changed.is_empty() => Kind::Same,
        (1, 1) => Kind::Changes,
        (1, _) => Kind::Splits,
        (_, 1) => Kind::Merges,
        _ => Kind::Regroups,
    };
    if kind == Kind::Regroups {
        changed.clear();
    }
    let rows = |run: &[Told], places: &[usize]| {
        places.iter().filter_map(|place| run.get(*place)).map(row).collect()
    };
    let (old, new) = (rows(old, &group.old), rows(new, &group.new));
    Difference { kind, old, new, shared_members: group.shared, changed }
}

fn changes(old: &Told, new: &Told) -> Vec<Change> {
    let (a, b) = (&old.incident, &new.incident);
    let time = |at: Timestamp| at.to_rfc3339();
    let state = |i: &Incident| Some(i.state.label().to_owned());
    let owner = |i: &Incident| i.owner.as_ref().map(ToString::to_string);
    let services = |i: &Incident| {
        let names: Vec<&str> = i.services.iter().map(Name::as_str).collect();
        Some(names.join(", "))
    };
    let priority = |i: &Incident| Some(i.priority.label().to_owned());
    let mut all = vec![
        (What::Priority, priority(a), priority(b)),
        (What::State, state(a), state(b)),
        (What::Owner, owner(a), owner(b)),
        (What::PagedAt, old.paged_at.map(time), new.paged_at.map(time)),
        (What::OnsetAt, Some(time(a.onset_at)), Some(time(b.onset_at))),
        (What::ResolvedAt, a.resolved_at.map(time), b.resolved_at.map(time)),
        (What::Services, services(a), services(b)),
    ];
    all.retain(|(_, old, new)| old != new);
    if blamed(a) != blamed(b) {
        let said = |i: &Incident| i.hypotheses.first().map(|first| first.summary.clone());
        all.insert(0, (What::FirstHypothesis, said(a), said(b)));
    }
    all.into_iter().map(|(what, old, new)| Change { what, old, new }).collect()
}

/// What the first hypothesis says, without how sure it is.
fn blamed(incident: &Incident) -> Option<impl PartialEq + '_> {
    incident
        .hypotheses
        .first()
        .map(|first| (&first.entity, first.kind, first.change.as_ref().map(|change| &change.id)))
}

fn row(told: &Told) -> Row {
    let incident = &told.incident;
    Row {
        id: incident.id,
        state: incident.state,
        priority: incident.priority,
        title: incident.title.clone(),
        onset_at: incident.onset_at,
        paged_at: told.paged_at,
        resolved_at: incident.resolved_at,
        owner: incident.owner.clone(),
        services: incident.services.clone(),
        alerts_count: incident.alerts.len(),
        symptoms_count: incident.symptoms.len(),
        first_hypothesis: incident.hypotheses.first().map(|first| First {
            entity: first.entity.clone(),
            change: first.change.as_ref().map(|change| change.id.clone()),
            probability: first.probability,
            summary: first.summary.clone(),
        }),
    }
}
