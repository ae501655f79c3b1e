//! What people did to our tickets, from RT's transactions.
//!
//! Transactions of all tickets have one growing number, and RT can leave out those of our own
//! account, so one request per time tells everything new in our queues. Two writers may commit out
//! of order; therefore the last few numbers are read again, and those seen already are passed over.

use std::collections::{BTreeMap, BTreeSet};

use model::command::{Act, Decision};
use model::id::IncidentId;
use model::name::Name;
use model::time::Timestamp;
use serde::Deserialize;

use super::api::{Api, Named, Ticket, number};
use super::fields::{Standing, standing};
use crate::config::RtConfig;
use crate::exchange::{Stop, encoded, parse};
use crate::heard::{Deed, Heard, More, incident_id, name};

/// Transactions of one answer: RT's own bound.
const PAGE_MAX: usize = 100;
/// How many numbers before the last one are read again.
const OVERLAP: u64 = 50;

/// What was heard already in this process.
#[derive(Debug, Default)]
pub(super) struct Ear {
    seen: BTreeSet<u64>,
}

/// One transaction, as far as we look at it.
#[derive(Debug, Deserialize)]
struct Transaction {
    #[serde(deserialize_with = "number")]
    id: u64,
    #[serde(rename = "ObjectId", deserialize_with = "number")]
    ticket: u64,
    #[serde(rename = "Type", default)]
    kind: String,
    #[serde(rename = "Field", default)]
    field: String,
    #[serde(rename = "OldValue", default)]
    old: String,
    #[serde(rename = "NewValue", default)]
    new: String,
    #[serde(rename = "Created", default)]
    created: String,
    #[serde(rename = "Creator", default)]
    creator: Named,
}

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Newest {
    #[serde(deserialize_with = "number")]
    id: u64,
}

#[derive(Deserialize)]
struct Attachment {
    #[serde(rename = "ContentType", default)]
    content_type: String,
    #[serde(rename = "Content", default)]
    content: String,
}

impl Ear {
    pub(super) fn listen(
        &mut self,
        api: &Api,
        config: &RtConfig,
        sink: &Name,
        cursor: Option<&str>,
        now: Timestamp,
    ) -> Result<Heard, Stop> {
        let queues = queues(config);
        let Some(last) = cursor.and_then(|cursor| cursor.parse::<u64>().ok()) else {
            let newest = newest(api, &queues, now)?;
            return Ok(Heard { cursor: Some(newest.to_string()), ..Heard::default() });
        };
        let page = since(api, &queues, last.saturating_sub(OVERLAP), now)?;
        let more = if page.len() < PAGE_MAX { More::No } else { More::Yes };
        let highest = page.iter().map(|transaction| transaction.id).max().unwrap_or(last).max(last);
        let fresh: Vec<Transaction> =
            page.into_iter().filter(|transaction| !self.seen.contains(&transaction.id)).collect();
        let tickets = ours(api, &fresh, now)?;
        let mut acts = Vec::new();
        for transaction in &fresh {
            if let Some((incident, ticket)) = tickets.get(&transaction.ticket) {
                acts.extend(self::acts(api, config, sink, transaction, *incident, ticket, now)?);
            }
        }
        self.seen.extend(fresh.iter().map(|transaction| transaction.id));
        self.seen = self.seen.split_off(&highest.saturating_sub(OVERLAP));
        Ok(Heard { acts, cursor: Some(highest.to_string()), more })
    }
}

/// `TicketQueue = 'A' OR TicketQueue = 'B'`: names without quotes, as the configuration has them.
fn queues(config: &RtConfig) -> String {
    let each = config.queues().into_iter().map(|queue| format!("TicketQueue = '{queue}'"));
    each.collect::<Vec<_>>().join(" OR ")
}

/// The number of the newest transaction, anybody's.
fn newest(api: &Api, queues: &str, now: Timestamp) -> Result<u64, Stop> {
    let query = format!("ObjectType = 'RT::Ticket' AND ({queues})");
    let path = format!(
        "/REST/2.0/transactions?query={}&orderby=id&order=DESC&per_page=1",
        encoded(&query)
    );
    let page: Page<Newest> = parse(&api.rest.get(&path, now)?)?;
    Ok(page.items.first().map_or(0, |newest| newest.id))
}

/// What others than we did after a number, oldest first.
fn since(api: &Api, queues: &str, after: u64, now: Timestamp) -> Result<Vec<Transaction>, Stop> {
    let query = format!(
        "ObjectType = 'RT::Ticket' AND ({queues}) AND id > {after} AND \
         Creator != '__CurrentUser__'"
    );
    let path = format!(
        "/REST/2.0/transactions?query={}\
         &fields=ObjectId,Type,Field,OldValue,NewValue,Created,Creator\
         &orderby=id&order=ASC&per_page={PAGE_MAX}",
        encoded(&query)
    );
    Ok(parse::<Page<Transaction>>(&api.rest.get(&path, now)?)?.items)
}

/// Which of the tickets are an incident's.
fn ours(
    api: &Api,
    transactions: &[Transaction],
    now: Timestamp,
) -> Result<BTreeMap<u64, (IncidentId, Ticket)>, Stop> {
    let ids: BTreeSet<u64> = transactions.iter().map(|transaction| transaction.ticket).collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<u64> = ids.into_iter().collect();
    let mut found = BTreeMap::new();
    for ticket in api.tickets(&ids, now)? {
        let incident = api.value(&ticket).and_then(|value| incident_id(value));
        if let Some(incident) = incident {
            found.insert(ticket.id, (incident, ticket));
        }
    }
    Ok(found)
}

/// The decisions in one transaction: none, one, or two (who takes a ticket works on it).
fn acts(
    api: &Api,
    config: &RtConfig,
    sink: &Name,
    transaction: &Transaction,
    incident: IncidentId,
    ticket: &Ticket,
    now: Timestamp,
) -> Result<Vec<Act>, Stop> {
    let words = match transaction.kind.as_str() {
        "Comment" | "Correspond" => words(api, transaction.id, now)?,
        _ => String::new(),
    };
    let deed = Deed {
        via: sink,
        entry: &transaction.id.to_string(),
        author: &transaction.creator.id,
        at: Timestamp::parse_rfc3339(&transaction.created).unwrap_or(now),
        reason: &words,
    };
    let mut decisions = decisions(config, transaction, incident, &ticket.owner.id);
    if words.trim().is_empty() {
        decisions.retain(|decision| !matches!(decision, Decision::Comment { .. }));
    }
    Ok(decisions.into_iter().map(|decision| deed.act(decision)).collect())
}

fn decisions(
    config: &RtConfig,
    transaction: &Transaction,
    incident: IncidentId,
    owner: &str,
) -> Vec<Decision> {
    match (transaction.kind.as_str(), transaction.field.as_str()) {
        ("Status", _) => {
            let (old, new) = (&transaction.old, &transaction.new);
            let step = (standing(config, old), standing(config, new));
            match step {
                (Standing::Active, Standing::Resolved | Standing::LeftAlone) => {
                    vec![Decision::Resolve { incident }]
                }
                (Standing::Resolved | Standing::LeftAlone, Standing::Active) => {
                    vec![Decision::Reopen { incident }]
                }
                (Standing::Active, Standing::Active) if *new == config.open_status => {
                    vec![Decision::Acknowledge { incident }]
                }
                _ => Vec::new(),
            }
        }
        // Whoever it was given to: the owner of now, because the transaction has only a number.
        ("Set" | "Take" | "Untake" | "Steal" | "Give" | "Force", "Owner") => {
            if owner.is_empty() || owner == "Nobody" {
                return vec![Decision::Assign { incident, to: None }];
            }
            let mut decisions = vec![Decision::Assign { incident, to: Some(name(owner)) }];
            if owner == transaction.creator.id {
                decisions.push(Decision::Acknowledge { incident });
            }
            decisions
        }
        ("Comment" | "Correspond", _) => vec![Decision::Comment { incident }],
        _ => Vec::new(),
    }
}

/// The words of a comment: its plain text, else its markup without the tags.
fn words(api: &Api, transaction: u64, now: Timestamp) -> Result<String, Stop> {
    let path =
        format!("/REST/2.0/transaction/{transaction}/attachments?fields=Content,ContentType");
    let Some(answer) = api.rest.get_if_there(&path, now)? else { return Ok(String::new()) };
    let page: Page<Attachment> = parse(&answer)?;
    let of = |kind: &str| page.items.iter().find(|part| part.content_type.starts_with(kind));
    Ok(match (of("text/plain"), of("text/html")) {
        (Some(plain), _) => plain.content.clone(),
        (None, Some(html)) => without_tags(&html.content),
        (None, None) => String::new(),
    })
}

/// Text between tags, entities of the basic kind read. Enough for a comment's words.
fn without_tags(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                text.push(' ');
            }
            _ if !inside => text.push(c),
            _ => {}
        }
    }
    let entities = [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    let read = entities.iter().fold(text, |text, (entity, c)| text.replace(entity, c));
    read.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> RtConfig {
        let json = r#"{"name": "rt", "url": "http://h", "queue": "Incidents",
            "auth": {"bearer": {"token": {"env": "X"}}}}"#;
        serde_json::from_str(json).expect("a valid configuration")
    }

    fn told(kind: &str, field: &str, old: &str, new: &str, owner: &str) -> Vec<Decision> {
        let transaction = Transaction {
            id: 7,
            ticket: 1,
            kind: kind.to_owned(),
            field: field.to_owned(),
            old: old.to_owned(),
            new: new.to_owned(),
            created: String::new(),
            creator: Named { id: String::from("operator") },
        };
        decisions(&config(), &transaction, IncidentId(0xab), owner)
    }

    #[test]
    fn every_step_of_a_status_has_one_meaning() {
        let incident = IncidentId(0xab);
        let status = |old, new| told("Status", "Status", old, new, "Nobody");
        assert_eq!(status("new", "open"), [Decision::Acknowledge { incident }]);
        assert_eq!(status("open", "resolved"), [Decision::Resolve { incident }]);
        assert_eq!(status("new", "rejected"), [Decision::Resolve { incident }]);
        assert_eq!(status("resolved", "open"), [Decision::Reopen { incident }]);
        assert_eq!(status("open", "stalled"), []);
        assert_eq!(status("resolved", "deleted"), []);
    }

    #[test]
    fn who_takes_a_ticket_works_on_it_and_who_is_given_one_may_not_yet() {
        let incident = IncidentId(0xab);
        let to = |owner: &str| Decision::Assign { incident, to: Some(owner.into()) };
        assert_eq!(
            told("Set", "Owner", "6", "33", "operator"),
            [to("operator"), Decision::Acknowledge { incident }]
        );
        assert_eq!(told("Set", "Owner", "6", "34", "storage"), [to("storage")]);
        let nobody = Decision::Assign { incident, to: None };
        assert_eq!(told("Set", "Owner", "33", "6", "Nobody"), [nobody]);
        // RT writes a second transaction for the same.
        assert_eq!(told("SetWatcher", "Owner", "6", "33", "operator"), []);
        assert_eq!(told("Set", "Priority", "6", "33", "operator"), []);
    }

    #[test]
    fn markup_of_a_comment_is_read_as_its_words() {
        assert_eq!(without_tags("<p>a &lt; b<br>c&nbsp;&amp; d</p>"), "a < b c & d");
    }
}
