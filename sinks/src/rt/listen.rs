//! What people did to our tickets, from RT's transactions.
//!
//! Transactions of all tickets have one growing number, and RT can leave out those of our own
//! account, so one request per time tells everything new in our queues. Two writers may commit out
//! of order; therefore the last few numbers are read again, and those seen already are passed over.
//! Only tickets that our account made are listened to: copies that people made are theirs.

use std::collections::{BTreeMap, BTreeSet};

use model::command::Decision;
use model::id::IncidentId;
use model::name::Name;
use model::time::Timestamp;
use serde::Deserialize;

use super::NOBODY;
use super::api::{Api, Named, number, text};
use super::fields::{Standing, standing};
use super::merged::{self, Tickets, number_of};
use crate::config::RtConfig;
use crate::exchange::{Stop, encoded, parse};
use crate::heard::{Deed, Heard, More, Patience, name};
use crate::http::TOO_LARGE;

/// Transactions of one answer: RT's own bound.
const PAGE_MAX: usize = 100;
/// How many numbers before the last one are read again.
const OVERLAP: u64 = 50;

/// Transactions of one answer that need a request of their own.
const ASKED_MAX: usize = 5;
/// Longest words of a comment that are read. Unit: bytes.
const WORDS_BYTES_MAX: u64 = 64 * 1024;
/// People whose names are remembered.
const NAMES_MAX: usize = 1_000;
/// Whom RT's own rules act as.
const RULES: &str = "RT_System";

/// What was heard already in this process.
#[derive(Debug, Default)]
pub(super) struct Ear {
    seen: BTreeSet<u64>,
    /// Number to name.
    names: BTreeMap<String, String>,
    patience: Patience,
}

/// One transaction, as far as we look at it.
#[derive(Debug, Deserialize)]
struct Transaction {
    #[serde(deserialize_with = "number")]
    id: u64,
    #[serde(rename = "ObjectId", deserialize_with = "number")]
    ticket: u64,
    #[serde(rename = "Type", default, deserialize_with = "text")]
    kind: String,
    #[serde(rename = "Field", default, deserialize_with = "text")]
    field: String,
    #[serde(rename = "OldValue", default, deserialize_with = "text")]
    old: String,
    #[serde(rename = "NewValue", default, deserialize_with = "text")]
    new: String,
    #[serde(rename = "Created", default, deserialize_with = "text")]
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
    #[serde(rename = "ContentType", default, deserialize_with = "text")]
    content_type: String,
    #[serde(rename = "ContentLength", default, deserialize_with = "text")]
    content_length: String,
    #[serde(rename = "Content", default, deserialize_with = "text")]
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
        let full = page.len() >= PAGE_MAX;
        let highest = page.iter().map(|transaction| transaction.id).max().unwrap_or(last).max(last);
        let mut fresh: Vec<Transaction> =
            page.into_iter().filter(|transaction| !self.seen.contains(&transaction.id)).collect();
        let tickets = ours(api, &fresh, now)?;
        // The rest has its turn at once, in the next answer.
        let asked = |transaction: &&Transaction| {
            transaction.needs_asking() && tickets.contains_key(&transaction.ticket)
        };
        let cut = fresh.iter().filter(asked).nth(ASKED_MAX).map(|transaction| transaction.id);
        if let Some(cut) = cut {
            fresh.retain(|transaction| transaction.id < cut);
        }
        let heard_to = cut.map_or(highest, |cut| cut.saturating_sub(1).max(last));
        let mut heard = Heard { cursor: Some(heard_to.to_string()), ..Heard::default() };
        for transaction in &fresh {
            let Some(incident) = tickets.get(&transaction.ticket) else { continue };
            match transaction.merged_into() {
                Some(into) => {
                    let decision = merged::decision(&tickets, *incident, into);
                    let entry = transaction.id.to_string();
                    let reason = format!("ticket #{} was merged into #{into}", transaction.ticket);
                    let deed = transaction.deed(sink, &entry, &reason, now);
                    heard.acts.extend(decision.map(|decision| deed.act(decision)));
                }
                None => self.take(api, config, sink, transaction, *incident, &mut heard, now)?,
            }
        }
        self.patience.renew();
        self.seen.extend(fresh.iter().map(|transaction| transaction.id));
        self.seen = self.seen.split_off(&heard_to.saturating_sub(OVERLAP));
        if full || cut.is_some() {
            heard.more = More::Yes;
        }
        Ok(heard)
    }

    /// The acts of one transaction: none, one, or two (who takes a ticket works on it).
    #[expect(clippy::too_many_arguments, reason = "one transaction and all that it is read with")]
    fn take(
        &mut self,
        api: &Api,
        config: &RtConfig,
        sink: &Name,
        transaction: &Transaction,
        incident: IncidentId,
        heard: &mut Heard,
        now: Timestamp,
    ) -> Result<(), Stop> {
        let read = match transaction.kind.as_str() {
            "Comment" | "Correspond" => words(api, transaction.id, now),
            _ if transaction.is_handover() => self.name_of(api, &transaction.new, now),
            _ => Ok(String::new()),
        };
        let Some(said) = self.patience.read(&transaction.id.to_string(), read)? else {
            heard.notes.push(format!("transaction {} cannot be read", transaction.id));
            return Ok(());
        };
        let is_comment = matches!(transaction.kind.as_str(), "Comment" | "Correspond");
        if is_comment && said.trim().is_empty() {
            return Ok(());
        }
        let entry = transaction.id.to_string();
        let deed = transaction.deed(sink, &entry, if is_comment { &said } else { "" }, now);
        let decisions = decisions(config, transaction, incident, &said);
        heard.acts.extend(decisions.into_iter().map(|decision| deed.act(decision)));
        Ok(())
    }

    fn name_of(&mut self, api: &Api, id: &str, now: Timestamp) -> Result<String, Stop> {
        if let Some(known) = self.names.get(id) {
            return Ok(known.clone());
        }
        let found = api.user(id, now)?;
        if self.names.len() >= NAMES_MAX {
            self.names.clear();
        }
        self.names.insert(id.to_owned(), found.clone());
        Ok(found)
    }
}

impl Transaction {
    /// What was done, before it is an act. `entry` is its number.
    fn deed<'a>(
        &'a self,
        via: &'a Name,
        entry: &'a str,
        reason: &'a str,
        now: Timestamp,
    ) -> Deed<'a> {
        let at = Timestamp::parse_rfc3339(&self.created).unwrap_or(now);
        Deed { via, entry, author: &self.creator.id, at, reason }
    }

    /// The ticket that its own became part of. RT writes the same at that one: it says nothing more.
    fn merged_into(&self) -> Option<u64> {
        let links = self.kind == "AddLink" && self.field == "MergedInto";
        links.then(|| number_of(&self.new)).flatten().filter(|into| *into != self.ticket)
    }

    /// Whether the ticket was given to somebody: RT writes a second transaction for the same.
    fn is_handover(&self) -> bool {
        const KINDS: [&str; 6] = ["Set", "Take", "Untake", "Steal", "Give", "Force"];
        self.field == "Owner" && KINDS.contains(&self.kind.as_str())
    }

    /// Whether reading it takes a request.
    fn needs_asking(&self) -> bool {
        self.is_handover() || matches!(self.kind.as_str(), "Comment" | "Correspond")
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

/// Which of the tickets that these are about are an incident's.
fn ours(api: &Api, transactions: &[Transaction], now: Timestamp) -> Result<Tickets, Stop> {
    let mut ids: BTreeSet<u64> = transactions.iter().map(|one| one.ticket).collect();
    ids.extend(transactions.iter().filter_map(Transaction::merged_into));
    merged::ours(api, &ids, now)
}

fn decisions(
    config: &RtConfig,
    transaction: &Transaction,
    incident: IncidentId,
    owner: &str,
) -> Vec<Decision> {
    match (transaction.kind.as_str(), transaction.field.as_str()) {
        // RT's own rules reopen a ticket when somebody writes: no person decided that.
        ("Status", _) if transaction.creator.id == RULES => Vec::new(),
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
        _ if transaction.is_handover() => {
            if owner.is_empty() || owner == NOBODY {
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

/// The words of a comment: its plain text, else its markup without the tags. First what there is,
/// then the one part: a picture is no words, and may be large.
fn words(api: &Api, transaction: u64, now: Timestamp) -> Result<String, Stop> {
    let parts = format!("/REST/2.0/transaction/{transaction}/attachments?orderby=id&order=ASC");
    let path = format!("{parts}&fields=ContentType,ContentLength&per_page=100");
    let Some(answer) = api.rest.get_if_there(&path, now)? else { return Ok(String::new()) };
    let listed: Vec<Attachment> = parse::<Page<Attachment>>(&answer)?.items;
    let Some(place) = part_with_words(&listed)? else { return Ok(String::new()) };
    let path = format!("{parts}&fields=Content,ContentType&per_page=1&page={}", place + 1);
    let Some(answer) = api.rest.get_if_there(&path, now)? else { return Ok(String::new()) };
    let part = parse::<Page<Attachment>>(&answer)?.items.into_iter().next();
    Ok(match part {
        Some(part) if part.content_type.starts_with("text/html") => without_tags(&part.content),
        Some(part) => part.content,
        None => String::new(),
    })
}

/// Which part has the words; `None`: there are none.
fn part_with_words(parts: &[Attachment]) -> Result<Option<usize>, Stop> {
    let is = |part: &Attachment, kind: &str| part.content_type.starts_with(kind);
    let length = |part: &Attachment| part.content_length.parse::<u64>().unwrap_or(0);
    let of = |kind: &str| {
        parts.iter().position(|part| is(part, kind) && length(part) <= WORDS_BYTES_MAX)
    };
    let place = of("text/plain").or_else(|| of("text/html"));
    if place.is_none() && parts.iter().any(|part| is(part, "text/")) {
        return Err(Stop::again(TOO_LARGE));
    }
    Ok(place)
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

    fn told_by(creator: &str, step: [&str; 4], owner: &str) -> Vec<Decision> {
        let [kind, field, old, new] = step;
        let transaction = Transaction {
            id: 7,
            ticket: 1,
            kind: kind.to_owned(),
            field: field.to_owned(),
            old: old.to_owned(),
            new: new.to_owned(),
            created: String::new(),
            creator: Named { id: creator.to_owned() },
        };
        decisions(&config(), &transaction, IncidentId(0xab), owner)
    }

    fn told(kind: &str, field: &str, old: &str, new: &str, owner: &str) -> Vec<Decision> {
        told_by("operator", [kind, field, old, new], owner)
    }

    #[test]
    fn what_rules_do_to_a_status_is_nobodys_decision() {
        assert_eq!(told_by(RULES, ["Status", "Status", "new", "open"], NOBODY), []);
        assert_eq!(told_by(RULES, ["Status", "Status", "resolved", "open"], NOBODY), []);
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
    fn the_words_of_a_comment_are_its_short_plain_part_else_its_markup() {
        let parts = |all: &[(&str, &str)]| -> Vec<Attachment> {
            let part = |(kind, length): &(&str, &str)| Attachment {
                content_type: (*kind).to_owned(),
                content_length: (*length).to_owned(),
                content: String::new(),
            };
            all.iter().map(part).collect()
        };
        let place = |all: &[(&str, &str)]| part_with_words(&parts(all)).map_err(|_| "too large");
        let mixed = ("multipart/mixed", "");
        assert_eq!(place(&[mixed, ("text/html", "9"), ("text/plain", "5")]), Ok(Some(2)));
        assert_eq!(place(&[mixed, ("text/html", "9"), ("text/plain", "300000")]), Ok(Some(1)));
        assert_eq!(place(&[mixed, ("image/png", "300000")]), Ok(None));
        assert_eq!(place(&[("text/plain", "300000")]), Err("too large"));
    }

    #[test]
    fn markup_of_a_comment_is_read_as_its_words() {
        assert_eq!(without_tags("<p>a &lt; b<br>c&nbsp;&amp; d</p>"), "a < b c & d");
    }
}
