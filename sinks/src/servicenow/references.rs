//! What a ticket refers to in other tables: the change request that is blamed, the configuration item of
//! the cause, the group that works on it. What may not be read, or is not there, is left out: a ticket without
//! its reference is better than none.

use std::collections::BTreeMap;

use model::incident::Incident;
use model::time::{Nanos, Timestamp};
use serde::Deserialize;

use super::api::{Api, is_sys_id};
use crate::exchange::{Stop, encoded, parse};
use crate::sink::Trouble;

/// For how long an answer about a group holds, also that there is none.
const GROUP_HOLDS: Nanos = Nanos::from_secs(3_600);
/// Owners whose groups are remembered.
const GROUPS_MAX: usize = 1_000;
/// The source of the map whose ids are `sys_id`s.
const SOURCE: &str = "servicenow";

/// Groups that were looked up, by owner.
#[derive(Debug, Default)]
pub(super) struct Groups {
    known: BTreeMap<String, (Option<String>, Timestamp)>,
}

impl Groups {
    /// The group that an owner of the map is: its `sys_id`; `None` when there is none that we may read.
    pub(super) fn of(
        &mut self,
        api: &Api,
        owner: &str,
        now: Timestamp,
    ) -> Result<Option<String>, Stop> {
        if let Some((group, since)) = self.known.get(owner)
            && now < *since + GROUP_HOLDS
        {
            return Ok(group.clone());
        }
        let group = api.group(owner, now)?;
        if self.known.len() >= GROUPS_MAX {
            self.known.clear();
        }
        self.known.insert(owner.to_owned(), (group.clone(), now));
        Ok(group)
    }
}

#[derive(Deserialize)]
struct Many {
    result: Vec<Referred>,
}

/// A record of another table, with the fields that we look up by.
#[derive(Deserialize)]
struct Referred {
    #[serde(default)]
    sys_id: String,
    #[serde(default)]
    number: String,
    #[serde(default)]
    name: String,
}

impl Api {
    /// The change request of this number or `sys_id`: its `sys_id`.
    pub(super) fn change(&self, reference: &str, now: Timestamp) -> Result<Option<String>, Stop> {
        let field = if is_sys_id(reference) { "sys_id" } else { "number" };
        let found = self.referred("change_request", "sys_id,number", field, reference, now)?;
        let same = |one: &Referred| one.sys_id == reference || one.number == reference;
        Ok(found.into_iter().find(same).map(|one| one.sys_id).filter(|id| is_sys_id(id)))
    }

    /// The configuration item of exactly this name: its `sys_id`; `None` also when several have it.
    pub(super) fn configuration_item(
        &self,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<String>, Stop> {
        self.only_one("cmdb_ci", "name", name, now)
    }

    /// The group of exactly this name or `sys_id`: its `sys_id`; `None` also when several have the name.
    fn group(&self, owner: &str, now: Timestamp) -> Result<Option<String>, Stop> {
        let field = if is_sys_id(owner) { "sys_id" } else { "name" };
        self.only_one("sys_user_group", field, owner, now)
    }

    fn only_one(
        &self,
        table: &str,
        field: &str,
        value: &str,
        now: Timestamp,
    ) -> Result<Option<String>, Stop> {
        // `^` would end the condition.
        if value.is_empty() || value.contains('^') {
            return Ok(None);
        }
        let mut found = self.referred(table, "sys_id,name", field, value, now)?;
        let same = |one: &Referred| one.name == value || one.sys_id == value;
        found.retain(|one| same(one) && is_sys_id(&one.sys_id));
        let first = found.pop();
        Ok(first.filter(|_| found.is_empty()).map(|one| one.sys_id))
    }

    /// At most two records of a table with a value in a field; an instance that ignores the query answers with
    /// any two.
    fn referred(
        &self,
        table: &str,
        fields: &str,
        field: &str,
        value: &str,
        now: Timestamp,
    ) -> Result<Vec<Referred>, Stop> {
        let path = format!(
            "/api/now/table/{table}?sysparm_query={}&sysparm_fields={fields}&sysparm_limit=2",
            encoded(&format!("{field}={value}"))
        );
        match self.rest.get(&path, now) {
            Ok(answer) => Ok(parse::<Many>(&answer)?.result),
            Err(Stop::Retry(_, Trouble::Credentials(403)) | Stop::Refuse(_)) => Ok(Vec::new()),
            Err(stop) => Err(stop),
        }
    }
}

/// The change request that the first hypothesis blames: a number like `CHG0030001` in the change's
/// id, title or link, or an id that is a `sys_id`.
pub(super) fn change_reference(incident: &Incident) -> Option<String> {
    let change = incident.hypotheses.first()?.change.as_ref()?;
    let texts = [change.id.as_str(), change.title.as_str(), change.url.as_deref().unwrap_or("")];
    let number = texts.into_iter().find_map(change_number);
    number.or_else(|| is_sys_id(&change.id).then(|| change.id.as_str().to_owned()))
}

/// `CHG` and 4 to 12 digits, as the table is delivered.
fn change_number(text: &str) -> Option<String> {
    text.match_indices("CHG").find_map(|(at, mark)| {
        let digits: String = text
            .get(at + mark.len()..)?
            .chars()
            .take_while(char::is_ascii_digit)
            .take(13)
            .collect();
        (4..=12).contains(&digits.len()).then(|| format!("CHG{digits}"))
    })
}

/// The configuration item of the cause, where a CMDB of ServiceNow told the map of it: its `sys_id`.
pub(super) fn cause_item(incident: &Incident) -> Option<&str> {
    let mut items = incident.cause_items.iter();
    let item = items.find(|item| item.source.as_str() == SOURCE && is_sys_id(&item.id));
    item.map(|item| item.id.as_str())
}

/// The service that the ticket is about: that of the first hypothesis, else the only one.
pub(super) fn service_name(incident: &Incident) -> Option<&str> {
    let cause = incident.hypotheses.first().map(|first| first.entity.service.as_str());
    let only = match incident.services.as_slice() {
        [only] => Some(only.as_str()),
        _ => None,
    };
    cause.filter(|name| !name.is_empty()).or(only)
}
