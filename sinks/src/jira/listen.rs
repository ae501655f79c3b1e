//! What people did to our issues, from Jira's changelog and comments.
//!
//! Issues of ours that were updated since the cursor are read one by one, a bounded number a time.
//! The cursor is a moment of the site's own clock; its search lags a little behind, so the last two
//! minutes are read again, and entries seen already are passed over.

use std::collections::BTreeMap;

use model::command::{Act, Decision};
use model::id::IncidentId;
use model::name::Name;
use model::time::{Nanos, Timestamp};

use super::adf;
use super::api::{Api, Change, Issue, Person, time};
use super::fields::{LABEL, incident_of};
use crate::exchange::Stop;
use crate::heard::{Deed, Heard, More, incident_id, name};

/// Issues that are looked at in one answer.
const ISSUES_MAX: usize = 25;
/// How far back is read again.
const OVERLAP: Nanos = Nanos::from_secs(120);

/// What was heard already in this process, and what does not change.
#[derive(Debug, Default)]
pub(super) struct Ear {
    /// Entries with their moment.
    seen: BTreeMap<String, Timestamp>,
    myself: Option<Person>,
    /// Ids of statuses of the category "done", and of "new".
    statuses: Option<Statuses>,
}

#[derive(Clone, Debug, Default)]
struct Statuses {
    done: Vec<String>,
    new: Vec<String>,
}

impl Ear {
    pub(super) fn listen(
        &mut self,
        api: &Api,
        sink: &Name,
        project: &str,
        cursor: Option<&str>,
        now: Timestamp,
    ) -> Result<Heard, Stop> {
        let theirs = api.clock(now)?;
        let since = cursor.and_then(|millis| millis.parse::<i64>().ok());
        let Some(since) = since.map(Timestamp::from_millis) else {
            let cursor = Some(theirs.millis().to_string());
            return Ok(Heard { cursor, ..Heard::default() });
        };
        let from = since + Nanos(-OVERLAP.0);
        let updated = updated(api, project, theirs - from, now)?;
        let more = if updated.len() < ISSUES_MAX { More::No } else { More::Yes };
        let mut acts = Vec::new();
        for issue in &updated {
            let Some(incident) = incident_of(issue).and_then(incident_id) else { continue };
            let Some(whole) = api.get(&issue.id, now)? else { continue };
            acts.extend(self.acts(api, sink, incident, &whole, from, now)?);
        }
        acts.sort_by_key(|act| act.at);
        // A cut answer is gone on with from its last issue; a whole one from the site's now.
        let last = updated.last().and_then(|issue| time(&issue.fields.updated));
        let cursor = match more {
            More::Yes => last.filter(|last| *last > since).unwrap_or(theirs),
            More::No => theirs,
        };
        self.seen.retain(|_, at| *at + OVERLAP + OVERLAP >= since);
        Ok(Heard { acts, cursor: Some(cursor.millis().to_string()), more })
    }

    /// What others than we did to one issue since then.
    fn acts(
        &mut self,
        api: &Api,
        sink: &Name,
        incident: IncidentId,
        issue: &Issue,
        from: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Act>, Stop> {
        let (own, statuses) = self.constants(api, now)?;
        let mut acts = Vec::new();
        for history in &issue.changelog.histories {
            let Some(at) = time(&history.created).filter(|at| *at >= from) else { continue };
            let entry = format!("{}-{}", issue.id, history.id);
            if history.author.account_id == own || self.seen.insert(entry.clone(), at).is_some() {
                continue;
            }
            let deed =
                Deed { via: sink, entry: &entry, author: author(&history.author), at, reason: "" };
            let decisions = history
                .items
                .iter()
                .flat_map(|change| decisions(&statuses, change, &history.author, incident));
            acts.extend(decisions.map(|decision| deed.act(decision)));
        }
        let comments = issue.fields.comment.iter().flat_map(|comments| &comments.comments);
        for comment in comments {
            let Some(at) = time(&comment.created).filter(|at| *at >= from) else { continue };
            let entry = format!("{}-c{}", issue.id, comment.id);
            if comment.author.account_id == own || self.seen.insert(entry.clone(), at).is_some() {
                continue;
            }
            let words = adf::words(&comment.body);
            if words.is_empty() {
                continue;
            }
            let deed = Deed {
                via: sink,
                entry: &entry,
                author: author(&comment.author),
                at,
                reason: &words,
            };
            acts.push(deed.act(Decision::Comment { incident }));
        }
        Ok(acts)
    }

    /// Our own account's id, and the statuses; asked for once.
    fn constants(&mut self, api: &Api, now: Timestamp) -> Result<(String, Statuses), Stop> {
        if self.myself.is_none() {
            self.myself = Some(api.myself(now)?);
        }
        if self.statuses.is_none() {
            let all = api.statuses(now)?;
            let of = |key: &str| {
                let ids = all.iter().filter(|status| status.category.key == key);
                ids.map(|status| status.id.clone()).collect()
            };
            self.statuses = Some(Statuses { done: of("done"), new: of("new") });
        }
        let own = self.myself.as_ref().map(|person| person.account_id.clone()).unwrap_or_default();
        if own.is_empty() {
            return Err(Stop::again("no account id"));
        }
        Ok((own, self.statuses.clone().unwrap_or_default()))
    }
}

fn author(person: &Person) -> &str {
    if person.display_name.is_empty() { &person.account_id } else { &person.display_name }
}

/// Issues of ours that were updated in the last so long, oldest first. JQL's dates have minutes and
/// the account's time zone; a distance has neither trouble.
fn updated(api: &Api, project: &str, ago: Nanos, now: Timestamp) -> Result<Vec<Issue>, Stop> {
    let minutes = ago.0.max(0) / 60_000_000_000 + 1;
    let jql = format!(
        "project = \"{project}\" AND labels = \"{LABEL}\" AND updated >= \"-{minutes}m\" \
         ORDER BY updated ASC"
    );
    let limit = u32::try_from(ISSUES_MAX).unwrap_or(u32::MAX);
    api.search(&jql, &["labels", "updated"], limit, now)
}

fn decisions(
    statuses: &Statuses,
    change: &Change,
    author: &Person,
    incident: IncidentId,
) -> Vec<Decision> {
    let (from, to) =
        (change.from.as_deref().unwrap_or_default(), change.to.as_deref().unwrap_or_default());
    match change.field.as_str() {
        "status" => {
            let done = |id: &str| statuses.done.iter().any(|known| known == id);
            let new = |id: &str| statuses.new.iter().any(|known| known == id);
            match (done(from), done(to)) {
                (false, true) => vec![Decision::Resolve { incident }],
                (true, false) => vec![Decision::Reopen { incident }],
                (false, false) if new(from) && !new(to) => vec![Decision::Acknowledge { incident }],
                _ => Vec::new(),
            }
        }
        "assignee" if to.is_empty() => vec![Decision::Assign { incident, to: None }],
        "assignee" => {
            let who = change.to_text.as_deref().unwrap_or(to);
            let mut decisions = vec![Decision::Assign { incident, to: Some(name(who)) }];
            if to == author.account_id {
                decisions.push(Decision::Acknowledge { incident });
            }
            decisions
        }
        _ => Vec::new(),
    }
}
