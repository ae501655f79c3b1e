//! What people decide on the fixture: a journal whose acts show in the next revision, as in a
//! running system, and some words that were said before.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use model::command::{Act, CauseRef, Decision};
use model::id::{CellId, IncidentId};
use model::incident::{Incident, IncidentState};
use model::people::{People, Said, Verdict};
use model::time::Timestamp;
use pipeline::control::desk::Journal;
use pipeline::http::view::IncidentView;

use super::story::at;

/// The incidents as they stand, and the acts that no revision shows yet.
#[derive(Default)]
pub(crate) struct World {
    cells: Vec<CellId>,
    held: Mutex<BTreeMap<IncidentId, Incident>>,
    waiting: Mutex<Vec<Act>>,
}

impl Journal for World {
    fn cells(&self) -> &[CellId] {
        &self.cells
    }

    fn append(&self, _: &CellId, acts: &[Act], _: Timestamp) -> Result<(), String> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Lets a test see what a person sees when the log is down.
        if acts.iter().any(|act| act.reason == "the log is down") {
            return Err("the log did not answer: it is down".into());
        }
        waiting.extend(acts.iter().cloned());
        Ok(())
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self { cells: vec![CellId("default".into())], ..Self::default() }
    }

    /// The next revision of an incident: what the story says of it, and what people decided.
    pub(crate) fn tell(&self, view: &IncidentView, mut told: Incident) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = held.get(&told.id) {
            told.revision = before.revision + 1;
            told.people = before.people.clone();
            told.services = before.services.clone();
            told.lineage = before.lineage.clone();
            told.state = before.state;
        }
        view.apply(&told);
        held.insert(told.id, told);
    }

    /// Lets what was decided show.
    pub(crate) fn fold(&self, view: &IncidentView) {
        let acts =
            std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for act in acts {
            let Some(id) = act.decision.incident() else { continue };
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
            let Some(mut incident) = held else { continue };
            decide(&mut incident, &act);
            incident.revision += 1;
            view.apply(&incident);
            self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(id, incident);
        }
    }
}

fn decide(incident: &mut Incident, act: &Act) {
    let said = Said {
        act: act.id.clone(),
        author: act.author.clone(),
        via: act.via.clone(),
        at: act.at,
        text: act.reason.clone(),
    };
    let people = &mut incident.people;
    let verdict =
        |cause: &CauseRef, is_cause| Verdict { said: said.clone(), cause: cause.clone(), is_cause };
    match &act.decision {
        Decision::Acknowledge { .. } => people.acknowledged = Some(said),
        Decision::Unacknowledge { .. } => people.acknowledged = None,
        Decision::Snooze { until, .. } => people.snoozed_until = Some(*until),
        Decision::Unsnooze { .. } => people.snoozed_until = None,
        Decision::Assign { to, .. } => people.assignee.clone_from(to),
        Decision::Comment { .. } => people.comments.push(said),
        Decision::Resolve { .. } => {
            incident.state = IncidentState::Resolved;
            incident.resolved_at = Some(act.at);
            people.state_held = Some(said);
        }
        Decision::Reopen { .. } => {
            incident.state = IncidentState::Open;
            incident.resolved_at = None;
            people.state_held = Some(said);
        }
        Decision::Merge { into, .. } => {
            incident.state = IncidentState::Merged;
            incident.lineage.merged_into = Some(*into);
        }
        Decision::Split { services, .. } => incident.services.retain(|s| !services.contains(s)),
        Decision::ConfirmCause { cause, .. } => people.verdicts.push(verdict(cause, true)),
        Decision::RejectCause { cause, .. } => people.verdicts.push(verdict(cause, false)),
        _ => {}
    }
}

fn said(n: i64, author: &str, text: &str) -> Said {
    Said {
        act: format!("said-{n}").into(),
        author: author.into(),
        via: "cli".into(),
        at: at(n),
        text: text.into(),
    }
}

/// An incident that people have been at.
pub(crate) fn busy() -> People {
    People {
        acknowledged: Some(said(30, "ann", "on it")),
        assignee: Some("team-catalog".into()),
        snoozed_until: Some(at(3_600)),
        state_held: None,
        muted_by: vec!["silence-1".into()],
        verdicts: vec![Verdict {
            said: said(60, "bob", "the index was rebuilt at that minute"),
            cause: CauseRef { service: Some("catalog".into()), change: None },
            is_cause: true,
        }],
        comments: vec![
            said(
                40,
                "ann",
                "Slow queries began with the index rebuild.\nIt should end in ten minutes.",
            ),
            said(70, "dana", "Told the shop's duty officer."),
        ],
        refused: Vec::new(),
    }
}

/// Words that attack.
pub(crate) fn hostile(script: &str, image: &str, bidi: &str) -> People {
    People {
        acknowledged: Some(said(30, image, script)),
        assignee: Some(bidi.into()),
        muted_by: vec![script.into()],
        verdicts: vec![Verdict {
            said: said(60, script, image),
            cause: CauseRef { service: Some(script.into()), change: Some(image.into()) },
            is_cause: false,
        }],
        comments: vec![said(40, bidi, &format!("{script}{image}{}", "y".repeat(300)))],
        ..People::default()
    }
}
