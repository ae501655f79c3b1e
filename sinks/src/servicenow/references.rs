//! What a ticket refers to in other tables: the change request that is blamed, the configuration item of
//! the cause. What may not be read, or is not there, is left out: a ticket without its reference is better
//! than none.

use model::incident::Incident;
use model::time::Timestamp;
use serde::Deserialize;

use super::api::{Api, is_sys_id};
use crate::exchange::{Stop, encoded, parse};
use crate::sink::Trouble;

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
        // `^` would end the condition.
        if name.is_empty() || name.contains('^') {
            return Ok(None);
        }
        let mut found = self.referred("cmdb_ci", "sys_id,name", "name", name, now)?;
        found.retain(|one| one.name == name && is_sys_id(&one.sys_id));
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

/// The service that the ticket is about: that of the first hypothesis, else the only one.
pub(super) fn service_name(incident: &Incident) -> Option<&str> {
    let cause = incident.hypotheses.first().map(|first| first.entity.service.as_str());
    let only = match incident.services.as_slice() {
        [only] => Some(only.as_str()),
        _ => None,
    };
    cause.filter(|name| !name.is_empty()).or(only)
}
