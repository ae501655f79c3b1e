//! What people did to our tickets, or to our alerts in Event Management, from ServiceNow's audit.
//!
//! First a page of ours that changed, then page by page what others than we did to those, plus
//! one request for each person or group that is new to us. The cursor moves when all pages were
//! read; an answer takes a few of them. The audit of a change is written a little after the change,
//! so the last minute is read again, and rows seen already are passed over.

use std::collections::BTreeMap;

use model::command::{Act, Decision};
use model::id::IncidentId;
use model::name::Name;
use model::time::{Nanos, Timestamp};
use serde::Deserialize;

use super::api::{Api, Record, TicketState, is_sys_id};
use super::fields::Marker;
use super::{SOURCE, times};
use crate::exchange::{Stop, encoded, parse};
use crate::heard::{Deed, Heard, More, Patience, incident_id, name};
use crate::sink::Trouble;

/// Tickets of one page.
const TICKETS_PAGE: usize = 50;
/// Rows of the audit of one page: each may hold a long note.
const ROWS_PAGE: usize = 50;
/// More rows than the audit of one page of tickets has.
const BEHIND_THE_END: usize = 1_000_000;
/// Names that are asked for in one answer.
const ASKED_MAX: usize = 5;
/// How far back is read again.
const OVERLAP: Nanos = Nanos::from_secs(60);
/// People and groups whose names are remembered.
const NAMES_MAX: usize = 1_000;

/// Who does what rules and jobs of the instance do, also what comes of our events.
const MACHINE: &str = "system";

/// What is listened to.
#[derive(Debug)]
pub(super) enum Of {
    /// Records of the incident table.
    Tickets,
    /// Alerts that events of this class made.
    Alerts(Name),
}

impl Of {
    const fn table(&self) -> &'static str {
        match self {
            Self::Tickets => "incident",
            Self::Alerts(_) => "em_alert",
        }
    }

    /// The condition that ours fulfil.
    fn ours(&self) -> String {
        match self {
            Self::Tickets => String::from("correlation_displaySTARTSWITHfaultline revision"),
            Self::Alerts(class) => format!("source={SOURCE}^event_class={class}"),
        }
    }

    /// The column with the incident's id.
    const fn key(&self) -> &'static str {
        match self {
            Self::Tickets => "correlation_id",
            Self::Alerts(_) => "message_key",
        }
    }

    fn key_of<'c>(&self, changed: &'c Changed) -> &'c str {
        match self {
            Self::Tickets => &changed.correlation_id,
            Self::Alerts(_) => &changed.message_key,
        }
    }

    /// Columns of which the audit is read.
    const fn columns(&self) -> &'static str {
        match self {
            Self::Tickets => {
                "state,assigned_to,assignment_group,work_notes,comments,parent_incident"
            }
            Self::Alerts(_) => "state,acknowledged,assigned_to,assignment_group,work_notes",
        }
    }

    /// What a step of the state means.
    fn step(&self, old: &str, new: &str, incident: IncidentId) -> Option<Decision> {
        match self {
            Self::Tickets => state(old, new, incident),
            Self::Alerts(_) => match (old == "Closed", new == "Closed") {
                (false, true) => Some(Decision::Resolve { incident }),
                (true, false) => Some(Decision::Reopen { incident }),
                _ => None,
            },
        }
    }

    /// Whether what this user did is nobody's act.
    fn is_machine(&self, user: &str) -> bool {
        matches!(self, Self::Alerts(_)) && (user == MACHINE || user.is_empty())
    }
}

/// What was heard already in this process.
#[derive(Debug)]
pub(super) struct Ear {
    of: Of,
    /// Rows of the audit by their id, with their moment.
    seen: BTreeMap<String, Timestamp>,
    /// `sys_id` to name.
    names: BTreeMap<String, String>,
    look: Option<Look>,
    patience: Patience,
}

/// A look at all that changed since a moment: it takes several answers if much did.
#[derive(Debug)]
struct Look {
    since: Timestamp,
    /// Tickets of this page, by their `sys_id`.
    tickets: BTreeMap<String, IncidentId>,
    /// Tickets of the pages before, this one included; `None`: there are no more.
    tickets_next: Option<usize>,
    /// Rows of the audit of this page of tickets that were read; `None`: all.
    rows_next: Option<usize>,
    rows_page: usize,
    /// Up to where it reaches.
    newest: Timestamp,
}

#[derive(Deserialize)]
struct Many<T> {
    result: Vec<T>,
}

#[derive(Deserialize)]
struct One<T> {
    result: T,
}

#[derive(Deserialize)]
struct Changed {
    #[serde(default)]
    sys_id: String,
    #[serde(default)]
    correlation_id: String,
    #[serde(default)]
    message_key: String,
    #[serde(default)]
    sys_updated_on: String,
}

#[derive(Deserialize)]
struct Row {
    sys_id: String,
    #[serde(default)]
    documentkey: String,
    #[serde(default)]
    fieldname: String,
    #[serde(default)]
    oldvalue: String,
    #[serde(default)]
    newvalue: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    sys_created_on: String,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    user_name: String,
    #[serde(default)]
    name: String,
}

impl Row {
    /// Whether the ticket was made a child of another: one that is the same trouble.
    fn is_parent(&self) -> bool {
        self.fieldname == "parent_incident" && is_sys_id(&self.newvalue)
    }

    fn is_assignment(&self) -> bool {
        matches!(self.fieldname.as_str(), "assigned_to" | "assignment_group")
    }

    /// How much an assignment says: a person more than a group, and both more than nobody.
    fn assigns(&self) -> u8 {
        match self.fieldname.as_str() {
            "assigned_to" if !self.newvalue.is_empty() => 2,
            "assignment_group" if !self.newvalue.is_empty() => 1,
            _ => 0,
        }
    }

    /// One save may change person and group: only what says most is where the ticket went.
    fn decides_among(&self, rows: &[Self]) -> bool {
        let same = |other: &&Self| {
            other.is_assignment()
                && other.documentkey == self.documentkey
                && other.sys_created_on == self.sys_created_on
        };
        let most = rows.iter().filter(same).max_by_key(|row| row.assigns());
        !self.is_assignment() || most.is_some_and(|most| most.sys_id == self.sys_id)
    }
}

impl Ear {
    pub(super) fn new(of: Of) -> Self {
        Self {
            of,
            seen: BTreeMap::new(),
            names: BTreeMap::new(),
            look: None,
            patience: Patience::default(),
        }
    }

    pub(super) fn listen(
        &mut self,
        api: &Api,
        sink: &Name,
        own_user: &str,
        cursor: Option<&str>,
        now: Timestamp,
    ) -> Result<Heard, Stop> {
        let Some(since) = cursor.and_then(times::read) else {
            let newest = newest(api, &self.of, now)?;
            return Ok(Heard { cursor: Some(newest), ..Heard::default() });
        };
        let look = self.look.take().filter(|look| look.since == since);
        let mut look = look.unwrap_or_else(|| Look::new(since));
        let turned =
            if look.rows_next.is_none() { look.turn_the_page(api, &self.of, now) } else { Ok(()) };
        let read = turned.and_then(|()| self.read(api, sink, own_user, &mut look, now));
        let done = look.is_done();
        let newest = look.newest;
        if read.is_err() || !done {
            self.look = Some(look);
        }
        let mut heard = read?;
        if done {
            self.seen.retain(|_, at| *at + OVERLAP >= since);
            heard.cursor = (newest > since).then(|| times::written(newest));
        } else {
            heard.more = More::Yes;
        }
        Ok(heard)
    }

    /// A page of what others than we did to the tickets of this page.
    fn read(
        &mut self,
        api: &Api,
        sink: &Name,
        own_user: &str,
        look: &mut Look,
        now: Timestamp,
    ) -> Result<Heard, Stop> {
        let mut heard = Heard::default();
        let Some(after) = look.rows_next else { return Ok(heard) };
        let read = audit(api, &self.of, look, own_user, after, now);
        let what = format!("{after}/{}", look.rows_page);
        let Some(rows) = self.patience.read(&what, read)? else {
            // Smaller pages find the row that cannot be read.
            if look.rows_page == 1 {
                // Nobody knows yet that it is the row. Behind the end there is none: if that cannot
                // be read either, it is the audit, and nothing is passed over.
                audit(api, &self.of, look, own_user, after + BEHIND_THE_END, now)?;
                heard.notes.push(String::from("a row of the audit cannot be read"));
                look.rows_next = Some(after + 1);
                self.patience.renew();
            }
            look.rows_page = (look.rows_page / 7).max(1);
            return Ok(heard);
        };
        let fresh: Vec<&Row> = rows
            .iter()
            // An instance may ignore a condition that it does not understand.
            .filter(|row| row.user != own_user && !self.of.is_machine(&row.user))
            .filter(|row| !self.seen.contains_key(&row.sys_id))
            .filter(|row| row.decides_among(&rows))
            .collect();
        let (mut asked, mut taken) = (0, rows.len());
        for row in fresh {
            let Some(incident) = look.tickets.get(&row.documentkey) else { continue };
            let is_new = row.assigns() > 0 && !self.names.contains_key(&row.newvalue);
            asked += usize::from(is_new || row.is_parent());
            if asked > ASKED_MAX {
                // The rest has its turn at once, in the next answer.
                taken = rows.iter().take_while(|other| other.sys_id != row.sys_id).count();
                break;
            }
            if row.is_parent() {
                heard.acts.extend(self.parented(api, sink, row, (*incident, look), now)?);
            } else {
                heard.acts.extend(self.acts(api, sink, row, *incident, now)?);
            }
        }
        let whole = taken == rows.len() && rows.len() < look.rows_page;
        self.patience.renew();
        look.rows_next = (!whole).then_some(after + taken);
        look.rows_page = (look.rows_page * 7).min(ROWS_PAGE);
        let moment = |row: &Row| Some((row.sys_id.clone(), times::read(&row.sys_created_on)?));
        self.seen.extend(rows.iter().take(taken).filter_map(moment));
        Ok(heard)
    }

    fn acts(
        &mut self,
        api: &Api,
        sink: &Name,
        row: &Row,
        incident: IncidentId,
        now: Timestamp,
    ) -> Result<Vec<Act>, Stop> {
        let is_text = matches!(row.fieldname.as_str(), "work_notes" | "comments");
        let deed = Deed {
            via: sink,
            entry: &row.sys_id,
            author: &row.user,
            at: times::read(&row.sys_created_on).unwrap_or(now),
            reason: if is_text { &row.newvalue } else { "" },
        };
        let decisions = match row.fieldname.as_str() {
            "state" => self.of.step(&row.oldvalue, &row.newvalue, incident).into_iter().collect(),
            "acknowledged" => match row.newvalue.as_str() {
                "1" | "true" => vec![Decision::Acknowledge { incident }],
                _ => vec![Decision::Unacknowledge { incident }],
            },
            "assigned_to" => self.assigned(api, row, "sys_user", incident, now)?,
            "assignment_group" => self.assigned(api, row, "sys_user_group", incident, now)?,
            _ if is_text && !row.newvalue.trim().is_empty() => {
                vec![Decision::Comment { incident }]
            }
            _ => Vec::new(),
        };
        Ok(decisions.into_iter().map(|decision| deed.act(decision)).collect())
    }

    /// A child of a ticket that is ours, too, is part of its incident.
    fn parented(
        &mut self,
        api: &Api,
        sink: &Name,
        row: &Row,
        (incident, look): (IncidentId, &Look),
        now: Timestamp,
    ) -> Result<Option<Act>, Stop> {
        let parent = match look.tickets.get(&row.newvalue) {
            Some(known) => Some(*known),
            None => self.patience.read(&row.newvalue, whose(api, &row.newvalue, now))?.flatten(),
        };
        let Some(into) = parent.filter(|into| *into != incident) else { return Ok(None) };
        let deed = Deed {
            via: sink,
            entry: &row.sys_id,
            author: &row.user,
            at: times::read(&row.sys_created_on).unwrap_or(now),
            reason: "it was made a child of that incident's ticket",
        };
        Ok(Some(deed.act(Decision::Merge { incident, into })))
    }

    /// To whom it was given; who takes it works on it.
    fn assigned(
        &mut self,
        api: &Api,
        row: &Row,
        table: &str,
        incident: IncidentId,
        now: Timestamp,
    ) -> Result<Vec<Decision>, Stop> {
        if row.newvalue.is_empty() {
            return Ok(vec![Decision::Assign { incident, to: None }]);
        }
        let to = self.name_of(api, table, &row.newvalue, now)?;
        let mut decisions = vec![Decision::Assign { incident, to: Some(name(&to)) }];
        if table == "sys_user" && to == row.user {
            decisions.push(Decision::Acknowledge { incident });
        }
        Ok(decisions)
    }

    fn name_of(
        &mut self,
        api: &Api,
        table: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<String, Stop> {
        if let Some(known) = self.names.get(id) {
            return Ok(known.clone());
        }
        let path = format!("/api/now/table/{table}/{}?sysparm_fields=user_name,name", encoded(id));
        let read = match api.rest.get_if_there(&path, now) {
            Ok(Some(answer)) => parse::<One<Named>>(&answer).map(|one| Some(one.result)),
            // Nobody whom we may see.
            Ok(None) | Err(Stop::Retry(_, Trouble::Credentials(403)) | Stop::Refuse(_)) => Ok(None),
            Err(stop) => Err(stop),
        };
        let found = match self.patience.read(id, read)?.flatten() {
            Some(Named { user_name, name }) if user_name.is_empty() => name,
            Some(Named { user_name, .. }) => user_name,
            None => id.to_owned(),
        };
        if self.names.len() >= NAMES_MAX {
            self.names.clear();
        }
        self.names.insert(id.to_owned(), found.clone());
        Ok(found)
    }
}

/// The incident of a ticket; `None`: it is not ours, or we may not see it.
fn whose(api: &Api, sys_id: &str, now: Timestamp) -> Result<Option<IncidentId>, Stop> {
    let found = match api.get(sys_id, now) {
        Err(Stop::Retry(_, Trouble::Credentials(403))) => None,
        found => found?,
    };
    let ours = |record: &Record| Marker::parse(&record.correlation_display).is_some();
    Ok(found.filter(ours).and_then(|record| incident_id(&record.correlation_id)))
}

/// A step of the incident table's state, as it is delivered: 1 new, 2 in progress, 3 on hold.
fn state(old: &str, new: &str, incident: IncidentId) -> Option<Decision> {
    let is_active = |state: &str| TicketState::from(state.to_owned()) == TicketState::Active;
    match (is_active(old), is_active(new)) {
        (true, false) => Some(Decision::Resolve { incident }),
        (false, true) => Some(Decision::Reopen { incident }),
        (true, true) if old == "1" && new == "2" => Some(Decision::Acknowledge { incident }),
        _ => None,
    }
}

/// When the table was changed last, by the instance's own clock.
fn newest(api: &Api, of: &Of, now: Timestamp) -> Result<String, Stop> {
    let path = format!(
        "/api/now/table/{}?sysparm_query=ORDERBYDESCsys_updated_on\
         &sysparm_fields=sys_updated_on&sysparm_limit=1",
        of.table()
    );
    let newest: Vec<Changed> = parse::<Many<Changed>>(&api.rest.get(&path, now)?)?.result;
    // An empty table: whatever comes is new.
    let at = newest.first().and_then(|row| times::read(&row.sys_updated_on));
    Ok(times::written(at.unwrap_or(Timestamp::EPOCH + OVERLAP)))
}

impl Look {
    fn new(since: Timestamp) -> Self {
        Self {
            since,
            tickets: BTreeMap::new(),
            tickets_next: Some(0),
            rows_next: None,
            rows_page: ROWS_PAGE,
            newest: since,
        }
    }

    fn is_done(&self) -> bool {
        self.tickets_next.is_none() && self.rows_next.is_none()
    }

    fn from(&self) -> String {
        times::written(self.since + Nanos(-OVERLAP.0))
    }

    /// Takes in the next page of our tickets that changed, in an order that no change changes.
    fn turn_the_page(&mut self, api: &Api, of: &Of, now: Timestamp) -> Result<(), Stop> {
        let Some(after) = self.tickets_next else { return Ok(()) };
        let query = format!("{}^sys_updated_on>={}^ORDERBYsys_id", of.ours(), self.from());
        let path = format!(
            "/api/now/table/{}?sysparm_query={}\
             &sysparm_fields=sys_id,{},sys_updated_on&sysparm_offset={after}\
             &sysparm_limit={TICKETS_PAGE}",
            of.table(),
            encoded(&query),
            of.key()
        );
        let page: Vec<Changed> = parse::<Many<Changed>>(&api.rest.get(&path, now)?)?.result;
        let full = page.len() >= TICKETS_PAGE;
        // What changes while later pages are read may be on pages that were read: it is the next
        // look's. How far this one reaches was settled when it began; one page does not tell, as it
        // has not the newest tickets, but those of the first ids.
        if after == 0 {
            let newest = match full {
                true => times::read(&newest(api, of, now)?),
                false => page.iter().filter_map(|row| times::read(&row.sys_updated_on)).max(),
            };
            self.newest = newest.map_or(self.newest, |newest| newest.max(self.newest));
        }
        self.tickets_next = full.then_some(after + page.len());
        let known = |row: Changed| {
            let incident = incident_id(of.key_of(&row))?;
            Some((row.sys_id, incident))
        };
        self.tickets = page.into_iter().filter_map(known).collect();
        self.rows_next = (!self.tickets.is_empty()).then_some(0);
        self.rows_page = ROWS_PAGE;
        Ok(())
    }
}

/// A page of what was done to the tickets of a page, oldest first.
fn audit(
    api: &Api,
    of: &Of,
    look: &Look,
    own_user: &str,
    after: usize,
    now: Timestamp,
) -> Result<Vec<Row>, Stop> {
    let tickets: Vec<&str> = look.tickets.keys().map(String::as_str).collect();
    let query = format!(
        "tablename={}^documentkeyIN{}^fieldnameIN{}\
         ^user!={own_user}^sys_created_on>={}^ORDERBYsys_created_on^ORDERBYsys_id",
        of.table(),
        tickets.join(","),
        of.columns(),
        look.from()
    );
    let path = format!(
        "/api/now/table/sys_audit?sysparm_query={}&sysparm_fields=sys_id,documentkey,fieldname,\
         oldvalue,newvalue,user,sys_created_on&sysparm_offset={after}&sysparm_limit={}",
        encoded(&query),
        look.rows_page
    );
    Ok(parse::<Many<Row>>(&api.rest.get(&path, now)?)?.result)
}
