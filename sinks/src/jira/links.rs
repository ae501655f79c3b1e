//! Issues that people linked as duplicates: which incidents they say are one.
//!
//! The changelog says that a link was made and by whom, in words that a site may change; what kind of
//! link it is, and in which direction, is read from the issue's own links. `A duplicates B` stands at A
//! as an outward link, so the act is A's alone and is heard once.

use model::id::IncidentId;
use model::time::Timestamp;
use serde::Deserialize;

use super::api::{Api, Change, Issue, Named};
use crate::exchange::{Stop, encoded, parse};

/// The field of an issue that holds its links.
const FIELD: &str = "issuelinks";

#[derive(Deserialize)]
struct Linked {
    #[serde(default)]
    fields: Links,
}

#[derive(Default, Deserialize)]
struct Links {
    #[serde(rename = "issuelinks", default)]
    all: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(rename = "type", default)]
    kind: Named,
    #[serde(rename = "outwardIssue")]
    outward: Option<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(default)]
    id: String,
    #[serde(default)]
    key: String,
}

/// The key of the issue that a change linked, if it linked one.
pub(super) fn linked(change: &Change) -> Option<&str> {
    // The site says `Link`, with or without the field's id.
    let is_link = change.field == "Link" || change.field_id.as_deref() == Some(FIELD);
    change.to.as_deref().filter(|to| is_link && !to.is_empty())
}

/// The incident of the issue `key`, if the link says that `issue` is its duplicate and it is ours, too.
pub(super) fn duplicate_of(
    api: &Api,
    issue: &str,
    key: &str,
    kind: &str,
    now: Timestamp,
) -> Result<Option<IncidentId>, Stop> {
    let path = format!("/rest/api/3/issue/{}?fields={FIELD}", encoded(issue));
    let Some(answer) = api.rest.get_if_there(&path, now)? else { return Ok(None) };
    let links = parse::<Linked>(&answer)?.fields.all;
    let same = |link: &&Link| link.kind.name.eq_ignore_ascii_case(kind);
    let outward = links.iter().filter(same).filter_map(|link| link.outward.as_ref());
    let Some(original) = outward.into_iter().find(|other| other.key == key || other.id == key)
    else {
        return Ok(None);
    };
    Ok(api.get(&original.id, now)?.as_ref().and_then(Issue::incident))
}
