//! What people did to our tickets, from ServiceNow's audit.
//!
//! First which of our tickets changed, then what others than we did to those: two requests a time,
//! plus one for each person or group that is new to us. The audit of a change is written a little
//! after the change, so the last minute is read again, and rows seen already are passed over.

use std::collections::BTreeMap;

use model::command::{Act, Decision};
use model::id::IncidentId;
use model::name::Name;
use model::time::{Nanos, Timestamp};
use serde::Deserialize;

use super::api::{Api, TicketState};
use super::times;
use crate::exchange::{Stop, encoded, parse};
use crate::heard::{Deed, Heard, More, incident_id, name};

/// Tickets that are looked at in one answer.
const TICKETS_MAX: usize = 50;
/// Rows of the audit in one answer.
const ROWS_MAX: usize = 200;
/// How far back is read again.
const OVERLAP: Nanos = Nanos::from_secs(60);
/// People and groups whose names are remembered.
const NAMES_MAX: usize = 1_000;

/// What was heard already in this process.
#[derive(Debug, Default)]
pub(super) struct Ear {
    /// Rows of the audit by their id, with their moment.
    seen: BTreeMap<String, Timestamp>,
    /// `sys_id` to name.
    names: BTreeMap<String, String>,
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

impl Ear {
    pub(super) fn listen(
        &mut self,
        api: &Api,
        sink: &Name,
        own_user: &str,
        cursor: Option<&str>,
        now: Timestamp,
    ) -> Result<Heard, Stop> {
        let Some(since) = cursor.and_then(times::read) else {
            let newest = newest(api, now)?;
            return Ok(Heard { cursor: Some(newest), ..Heard::default() });
        };
        let from = times::written(since + Nanos(-OVERLAP.0));
        let changed = changed(api, &from, now)?;
        let tickets: BTreeMap<&str, IncidentId> = changed
            .iter()
            .filter_map(|row| Some((row.sys_id.as_str(), incident_id(&row.correlation_id)?)))
            .collect();
        let rows = if tickets.is_empty() {
            Vec::new()
        } else {
            let keys: Vec<&str> = tickets.keys().copied().collect();
            audit(api, &keys, own_user, &from, now)?
        };
        let full = rows.len() == ROWS_MAX || changed.len() == TICKETS_MAX;
        // A cut audit is gone on with from its last row.
        let last = if rows.len() == ROWS_MAX {
            rows.last().map(|row| row.sys_created_on.clone())
        } else {
            changed.last().map(|row| row.sys_updated_on.clone())
        };
        let mut acts = Vec::new();
        for row in &rows {
            let Some(incident) = tickets.get(row.documentkey.as_str()) else { continue };
            if !self.seen.contains_key(&row.sys_id) {
                acts.extend(self.acts(api, sink, row, *incident, now)?);
            }
        }
        self.remember(&rows, since);
        let cursor = last.filter(|last| times::read(last).is_some_and(|last| last > since));
        let more = if full && cursor.is_some() { More::Yes } else { More::No };
        Ok(Heard { acts, cursor, more })
    }

    /// Keeps what may be read again.
    fn remember(&mut self, rows: &[Row], since: Timestamp) {
        let read = |row: &Row| Some((row.sys_id.clone(), times::read(&row.sys_created_on)?));
        self.seen.extend(rows.iter().filter_map(read));
        self.seen.retain(|_, at| *at + OVERLAP >= since);
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
            "state" => state(&row.oldvalue, &row.newvalue, incident).into_iter().collect(),
            "assigned_to" => self.assigned(api, row, "sys_user", incident, now)?,
            "assignment_group" => self.assigned(api, row, "sys_user_group", incident, now)?,
            _ if is_text && !row.newvalue.trim().is_empty() => {
                vec![Decision::Comment { incident }]
            }
            _ => Vec::new(),
        };
        Ok(decisions.into_iter().map(|decision| deed.act(decision)).collect())
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
        let found = match api.rest.get_if_there(&path, now)? {
            Some(answer) => {
                let named: Named = parse::<One<Named>>(&answer)?.result;
                if named.user_name.is_empty() { named.name } else { named.user_name }
            }
            None => id.to_owned(),
        };
        if self.names.len() >= NAMES_MAX {
            self.names.clear();
        }
        self.names.insert(id.to_owned(), found.clone());
        Ok(found)
    }
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
fn newest(api: &Api, now: Timestamp) -> Result<String, Stop> {
    let path = "/api/now/table/incident?sysparm_query=ORDERBYDESCsys_updated_on\
                &sysparm_fields=sys_updated_on&sysparm_limit=1";
    let newest: Vec<Changed> = parse::<Many<Changed>>(&api.rest.get(path, now)?)?.result;
    // An empty table: whatever comes is new.
    let at = newest.first().and_then(|row| times::read(&row.sys_updated_on));
    Ok(times::written(at.unwrap_or(Timestamp::EPOCH + OVERLAP)))
}

/// Our tickets that changed since then, in the order in which they did.
fn changed(api: &Api, from: &str, now: Timestamp) -> Result<Vec<Changed>, Stop> {
    let query = format!(
        "correlation_displaySTARTSWITHfaultline revision^sys_updated_on>={from}\
         ^ORDERBYsys_updated_on"
    );
    let path = format!(
        "/api/now/table/incident?sysparm_query={}\
         &sysparm_fields=sys_id,correlation_id,sys_updated_on&sysparm_limit={TICKETS_MAX}",
        encoded(&query)
    );
    Ok(parse::<Many<Changed>>(&api.rest.get(&path, now)?)?.result)
}

/// What others than we did to tickets since then, oldest first.
fn audit(
    api: &Api,
    tickets: &[&str],
    own_user: &str,
    from: &str,
    now: Timestamp,
) -> Result<Vec<Row>, Stop> {
    let query = format!(
        "tablename=incident^documentkeyIN{}\
         ^fieldnameINstate,assigned_to,assignment_group,work_notes,comments\
         ^user!={own_user}^sys_created_on>={from}^ORDERBYsys_created_on",
        tickets.join(",")
    );
    let path = format!(
        "/api/now/table/sys_audit?sysparm_query={}&sysparm_fields=sys_id,documentkey,fieldname,\
         oldvalue,newvalue,user,sys_created_on&sysparm_limit={ROWS_MAX}",
        encoded(&query)
    );
    let rows: Vec<Row> = parse::<Many<Row>>(&api.rest.get(&path, now)?)?.result;
    // An instance may ignore a condition that it does not understand.
    Ok(rows.into_iter().filter(|row| row.user != own_user).collect())
}
