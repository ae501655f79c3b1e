//! What people did to our alerts in PagerDuty, from the log entries of its REST API.
//!
//! A window of time is read page by page and told oldest first; the cursor is the window's end. Entries may
//! appear a little late and clocks differ, so the last two minutes are read again: entries that were seen are
//! passed over. Only what users did at the one service that we page is a person's act; what we send
//! ourselves has an integration as its agent.
//!
//! A merge is told as the end of the incident that was merged, with the one that goes on as its
//! `resolve_reason`: it is a merge here, too, and never a resolve.

use std::collections::BTreeMap;

use model::command::{Act, Decision};
use model::id::IncidentId;
use model::name::Name;
use model::time::{Nanos, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::exchange::{Stop, encoded, parse};
use crate::heard::{Deed, Heard, More, Patience, incident_id, name};
use crate::rest::Rest;

/// Entries of one page: PagerDuty's own bound.
const PAGE: usize = 100;
/// Pages of one window; a fuller one is made shorter.
const PAGES_MAX: usize = 20;
/// The shortest window. Unit: nanoseconds.
const WINDOW_MIN: i64 = 1_000_000_000;
/// How far back is read again.
const OVERLAP: Nanos = Nanos::from_secs(120);
/// Incidents of one answer that are asked for, or whose alerts are.
const ASKED_MAX: usize = 10;
/// The reason of an end that is none: its alerts went on in another incident.
const MERGED: &str = "merge_resolve_reason";

/// The account, as far as it is listened to.
pub(super) struct Desk<'a> {
    pub(super) rest: &'a Rest,
    /// The id of the service that we page.
    pub(super) service: &'a str,
    /// The sink's name.
    pub(super) sink: &'a Name,
}

/// What was heard already in this process.
#[derive(Debug, Default)]
pub(super) struct Ear {
    /// Entries with their moment.
    seen: BTreeMap<String, Timestamp>,
    patience: Patience,
}

#[derive(Deserialize)]
struct Page {
    log_entries: Vec<Value>,
    #[serde(default)]
    more: bool,
}

/// One entry, as far as we look at it.
#[derive(Debug, Deserialize)]
struct Entry {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    created_at: String,
    agent: Option<Reference>,
    #[serde(default)]
    channel: Option<Channel>,
    incident: Paged,
    #[serde(default)]
    service: Reference,
    #[serde(default)]
    assignees: Vec<Reference>,
    #[serde(default)]
    changed_actions: Vec<Planned>,
}

/// A record that is referred to: a user, a service.
#[derive(Debug, Default, Deserialize)]
struct Reference {
    #[serde(default)]
    id: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    summary: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Channel {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    summary: Option<String>,
}

/// PagerDuty's incident: one alert, or several that were grouped.
#[derive(Debug, Deserialize)]
struct Paged {
    id: String,
    #[serde(default)]
    incident_key: Option<String>,
    #[serde(default)]
    service: Reference,
    /// Why it was resolved, if not because it is over: of a merge the type, and the incident that goes on. In
    /// whatever form it comes, it keeps no entry from being read.
    #[serde(default)]
    resolve_reason: Option<Value>,
}

/// What PagerDuty will do by itself: the end of a snooze.
#[derive(Debug, Deserialize)]
struct Planned {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    at: String,
}

#[derive(Deserialize)]
struct Whole {
    incident: Paged,
}

#[derive(Deserialize)]
struct Alerts {
    alerts: Vec<Alert>,
}

#[derive(Deserialize)]
struct Alert {
    #[serde(default)]
    alert_key: Option<String>,
}

/// The entries of a window that was read whole, oldest first.
struct Window {
    until: Timestamp,
    entries: Vec<(Timestamp, Entry)>,
    notes: Vec<String>,
}

impl Ear {
    pub(super) fn listen(
        &mut self,
        desk: &Desk<'_>,
        cursor: Option<&str>,
        now: Timestamp,
    ) -> Result<Heard, Stop> {
        let Some(heard_to) = cursor.and_then(Timestamp::parse_rfc3339) else {
            return Ok(Heard { cursor: Some(now.to_rfc3339()), ..Heard::default() });
        };
        let window = read(desk, heard_to, now)?;
        let mut heard = Heard { notes: window.notes, ..Heard::default() };
        let mut heard_to = window.until;
        let mut asked = Asked::default();
        // Remembered only with the acts: if anything below fails, all of it is heard again.
        let mut fresh = BTreeMap::new();
        for (at, entry) in &window.entries {
            let is_heard = self.seen.contains_key(&entry.id) || fresh.contains_key(&entry.id);
            if is_heard || !entry.is_of_person_at(desk.service) {
                continue;
            }
            if asked.is_full_for(entry) {
                // The rest has its turn at once, in the next answer.
                heard_to = *at;
                heard.more = More::Yes;
                break;
            }
            if entry.is_merge() {
                heard.acts.extend(self.merge(desk, *at, entry, &mut asked, now)?);
            } else {
                let incidents = match entry.incident.own() {
                    Some(own) => vec![own],
                    None => self.grouped(desk, &entry.incident.id, &mut asked, now)?,
                };
                let acts = incidents.iter().filter_map(|own| entry.act(desk.sink, *at, *own));
                heard.acts.extend(acts);
            }
            fresh.insert(entry.id.clone(), *at);
        }
        self.patience.renew();
        self.seen.append(&mut fresh);
        self.seen.retain(|_, at| *at + OVERLAP + OVERLAP >= heard_to);
        if window.until < now {
            heard.more = More::Yes;
        }
        heard.cursor = Some(heard_to.to_rfc3339());
        Ok(heard)
    }

    /// Ours among the alerts that PagerDuty made one incident of.
    fn grouped(
        &mut self,
        desk: &Desk<'_>,
        id: &str,
        asked: &mut Asked,
        now: Timestamp,
    ) -> Result<Vec<IncidentId>, Stop> {
        if let Some(known) = asked.alerts.get(id) {
            return Ok(known.clone());
        }
        let found = self.patience.read(id, alerts(desk, id, now))?.unwrap_or_default();
        asked.alerts.insert(id.to_owned(), found.clone());
        Ok(found)
    }

    /// The merge of an incident of ours into another of ours.
    fn merge(
        &mut self,
        desk: &Desk<'_>,
        at: Timestamp,
        entry: &Entry,
        asked: &mut Asked,
        now: Timestamp,
    ) -> Result<Option<Act>, Stop> {
        let (Some(incident), Some(target)) = (entry.incident.own(), entry.merged_into()) else {
            return Ok(None);
        };
        let own = match asked.own.get(target) {
            Some(known) => *known,
            None => {
                let found = self.patience.read(target, whole(desk, target, now))?.flatten();
                asked.own.insert(target.to_owned(), found);
                found
            }
        };
        let into = own.filter(|into| *into != incident);
        Ok(into.map(|into| entry.deed(desk.sink, at, incident, Decision::Merge { incident, into })))
    }
}

/// What was asked for in this answer, by PagerDuty's ids of incidents.
#[derive(Default)]
struct Asked {
    /// Ours among the alerts of an incident.
    alerts: BTreeMap<String, Vec<IncidentId>>,
    /// Which of ours an incident is.
    own: BTreeMap<String, Option<IncidentId>>,
}

impl Asked {
    /// Whether this entry would take a request more than one answer may take.
    fn is_full_for(&self, entry: &Entry) -> bool {
        let own = entry.incident.own();
        let is_known = if entry.is_merge() {
            let target = entry.merged_into().filter(|_| own.is_some());
            target.is_none_or(|target| self.own.contains_key(target))
        } else {
            own.is_some() || self.alerts.contains_key(&entry.incident.id)
        };
        !is_known && self.alerts.len() + self.own.len() >= ASKED_MAX
    }
}

impl Paged {
    /// Its key, if that is one of ours: those of grouped alerts are PagerDuty's own.
    fn own(&self) -> Option<IncidentId> {
        self.incident_key.as_deref().and_then(incident_id)
    }
}

impl Entry {
    fn is_of_person_at(&self, service: &str) -> bool {
        let by_user = self.agent.as_ref().is_some_and(|agent| agent.kind.starts_with("user"));
        by_user && [&self.service.id, &self.incident.service.id].contains(&&service.to_owned())
    }

    /// Whether this is the end of an incident that was merged into another.
    fn is_merge(&self) -> bool {
        let reason = self.incident.resolve_reason.as_ref();
        let kind = reason.and_then(|reason| reason.get("type")?.as_str());
        self.kind == "resolve_log_entry" && kind == Some(MERGED)
    }

    /// The incident in which the alerts of one that was merged go on, by PagerDuty's id, if that is said.
    fn merged_into(&self) -> Option<&str> {
        let reason = self.incident.resolve_reason.as_ref()?;
        reason.get("incident")?.get("id")?.as_str().filter(|id| !id.is_empty())
    }

    /// The act of one entry on one incident, if it is one.
    fn act(&self, sink: &Name, at: Timestamp, incident: IncidentId) -> Option<Act> {
        Some(self.deed(sink, at, incident, self.decision(incident)?))
    }

    fn deed(&self, sink: &Name, at: Timestamp, incident: IncidentId, decision: Decision) -> Act {
        let author = self.agent.as_ref().and_then(|agent| agent.summary.as_deref());
        let reason = match decision {
            Decision::Comment { .. } => self.note(),
            Decision::Merge { .. } => "merged in PagerDuty",
            _ => "",
        };
        let deed = Deed {
            via: sink,
            entry: &format!("{}.{incident}", self.id),
            author: author.unwrap_or_default(),
            at,
            reason,
        };
        deed.act(decision)
    }

    fn decision(&self, incident: IncidentId) -> Option<Decision> {
        match self.kind.as_str() {
            "acknowledge_log_entry" => Some(Decision::Acknowledge { incident }),
            "resolve_log_entry" => Some(Decision::Resolve { incident }),
            "annotate_log_entry" => {
                (!self.note().trim().is_empty()).then_some(Decision::Comment { incident })
            }
            "assign_log_entry" | "reassign_log_entry" => {
                let to = self.assignees.first()?.summary.as_deref()?;
                Some(Decision::Assign { incident, to: Some(name(to)) })
            }
            "snooze_log_entry" => {
                let end = self.changed_actions.iter().find(|plan| plan.kind == "unacknowledge")?;
                let until = Timestamp::parse_rfc3339(&end.at)?;
                Some(Decision::Snooze { incident, until })
            }
            _ => None,
        }
    }

    fn note(&self) -> &str {
        let channel = self.channel.as_ref();
        let words = channel.and_then(|channel| {
            channel
                .content
                .as_deref()
                .filter(|text| !text.is_empty())
                .or(channel.summary.as_deref())
        });
        words.unwrap_or_default()
    }
}

/// The longest window from a moment on that is not too full: all up to now, as a rule.
fn read(desk: &Desk<'_>, heard_to: Timestamp, now: Timestamp) -> Result<Window, Stop> {
    // Our clock may have gone back.
    let mut until = now.max(heard_to + Nanos(WINDOW_MIN));
    let mut since = heard_to - OVERLAP;
    loop {
        let window = pages(desk, since, until, now)?;
        let length = (until - heard_to).0;
        match window {
            (window, false) => return Ok(window),
            (mut window, true) if length <= WINDOW_MIN => {
                window.notes.push(String::from("more happened in a second than can be read"));
                return Ok(window);
            }
            // What is too full is not read twice.
            _ => {
                since = heard_to;
                until = heard_to + Nanos((length / 2).max(WINDOW_MIN));
            }
        }
    }
}

/// The pages of one window, and whether there are more than we read.
fn pages(
    desk: &Desk<'_>,
    since: Timestamp,
    until: Timestamp,
    now: Timestamp,
) -> Result<(Window, bool), Stop> {
    let mut window = Window { until, entries: Vec::new(), notes: Vec::new() };
    let mut more = true;
    for number in 0..PAGES_MAX {
        let path = format!(
            "/log_entries?since={}&until={}&is_overview=false&include%5B%5D=incidents\
             &include%5B%5D=channels&limit={PAGE}&offset={}",
            encoded(&since.to_rfc3339()),
            encoded(&until.to_rfc3339()),
            number * PAGE
        );
        let page: Page = parse(&desk.rest.get(&path, now)?)?;
        let (count, known) = (page.log_entries.len(), window.entries.len());
        window.entries.extend(page.log_entries.into_iter().filter_map(|entry| {
            let entry: Entry = serde_json::from_value(entry).ok()?;
            Some((Timestamp::parse_rfc3339(&entry.created_at)?, entry))
        }));
        let unread = count - (window.entries.len() - known);
        if unread > 0 {
            window.notes.push(format!("{unread} log entries cannot be read"));
        }
        more = page.more && count > 0;
        if !more {
            break;
        }
    }
    // The newest come first; of one moment the order is theirs.
    window.entries.reverse();
    window.entries.sort_by_key(|(at, _)| *at);
    Ok((window, more))
}

/// Ours among the alerts of one incident.
fn alerts(desk: &Desk<'_>, id: &str, now: Timestamp) -> Result<Vec<IncidentId>, Stop> {
    let path = format!("/incidents/{}/alerts?limit={PAGE}", encoded(id));
    let Some(answer) = desk.rest.get_if_there(&path, now)? else { return Ok(Vec::new()) };
    let found = parse::<Alerts>(&answer)?.alerts;
    Ok(found.iter().filter_map(|alert| incident_id(alert.alert_key.as_deref()?)).collect())
}

/// Which of ours an incident is: none if its key is not ours, or another service's, which may have such keys
/// of its own.
fn whole(desk: &Desk<'_>, id: &str, now: Timestamp) -> Result<Option<IncidentId>, Stop> {
    let path = format!("/incidents/{}", encoded(id));
    let Some(answer) = desk.rest.get_if_there(&path, now)? else { return Ok(None) };
    let paged = parse::<Whole>(&answer)?.incident;
    Ok(paged.own().filter(|_| paged.service.id == desk.service))
}
