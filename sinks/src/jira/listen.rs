//! What people did to our issues, from Jira's changelog and comments.
//!
//! Issues of ours that were updated since the cursor are read page by page, a few issues a time; the
//! cursor moves when all of them were read. It is a moment of the site's own clock; its search lags
//! a little behind, so the last two minutes are read again: issues that did not change since are
//! passed over, and so are entries that were seen.

use std::collections::{BTreeMap, VecDeque};

use model::command::{Act, Decision};
use model::id::IncidentId;
use model::name::Name;
use model::time::{Nanos, Timestamp};

use super::adf;
use super::api::{Api, Change, Comment, Found, History, Issue, Person, time};
use super::fields::LABEL;
use super::links;
use crate::config::JiraConfig;
use crate::exchange::Stop;
use crate::heard::{Deed, Heard, More, Patience, name};
use crate::render::untrusted::Untrusted;

/// Issues of one page of the search.
const PAGE: u32 = 50;
/// Issues that are read in one answer: about ten requests.
const BATCH: usize = 5;
/// Changes of one answer.
const CHANGES_PAGE: u32 = 100;
/// Requests for the changes of one batch.
const CHANGE_REQUESTS_MAX: usize = 10;
/// Links that are looked at in one answer: two requests each.
const ASKED_MAX: usize = 5;
/// The fields whose changes are read where links are not heard: others may be long, and say nothing to us.
const FIELDS: [&str; 2] = ["status", "assignee"];
/// How far back is read again.
const OVERLAP: Nanos = Nanos::from_secs(120);
/// How long a look turns pages, at first.
const LOOK_LASTS: Nanos = Nanos::from_secs(60);
/// Issues that are remembered as they were.
const KNOWN_MAX: usize = 10_000;

/// What was heard already in this process, and what does not change.
#[derive(Debug, Default)]
pub(super) struct Ear {
    /// Entries with their moment.
    seen: BTreeMap<String, Timestamp>,
    /// Issues that were read, and when they had been updated.
    known: BTreeMap<String, String>,
    look: Option<Look>,
    patience: Patience,
    myself: Option<Person>,
    /// Ids of statuses of the category "done", and of "new".
    statuses: Option<Statuses>,
}

/// A look at all that changed since a moment: it takes several answers if much did.
#[derive(Debug)]
struct Look {
    since: Timestamp,
    /// The site's clock when it began.
    began: Timestamp,
    /// Our clock when it began.
    begun: Timestamp,
    /// How long it turns pages.
    lasts: Nanos,
    /// Issues that are still to be read.
    pending: VecDeque<Issue>,
    page: Page,
    found: BTreeMap<String, String>,
}

/// Where the next page of a search is.
#[derive(Debug)]
enum Page {
    First,
    After(String),
    None,
}

/// What was read, before any of it is remembered.
#[derive(Default)]
struct Fresh {
    acts: Vec<Act>,
    seen: BTreeMap<String, Timestamp>,
    notes: Vec<String>,
    /// Links that were looked at.
    asked: usize,
    /// Issues of the batch that were read to their end, if not all were: the rest has its turn at once, in
    /// the next answer.
    whole: Option<usize>,
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
        config: &JiraConfig,
        cursor: Option<&str>,
        now: Timestamp,
    ) -> Result<Heard, Stop> {
        let since = cursor.and_then(|millis| millis.parse::<i64>().ok());
        let Some(since) = since.map(Timestamp::from_millis) else {
            let cursor = Some(api.clock(now)?.millis().to_string());
            return Ok(Heard { cursor, ..Heard::default() });
        };
        // What cannot be read is the fault of one thing only if the site itself speaks: it is asked
        // in every answer, for its clock or for a page.
        let mut look = match self.look.take().filter(|look| look.since == since) {
            Some(look) if !look.pending.is_empty() => {
                if let Err(stop) = api.clock(now) {
                    self.look = Some(look);
                    return Err(stop);
                }
                look
            }
            Some(look) if look.is_good(now) => look,
            // What was read is known, so that it gets further; should it be slow again, it has longer.
            Some(look) => {
                Look::new(since, api.clock(now)?, now, Nanos(look.lasts.0.saturating_mul(2)))
            }
            None => Look::new(since, api.clock(now)?, now, LOOK_LASTS),
        };
        if look.pending.is_empty() {
            // If this fails, the look begins anew: the token of a page may have run out.
            look.turn_the_page(api, &config.project, &self.known, now)?;
        }
        let batch: Vec<Issue> = look.pending.iter().take(BATCH).cloned().collect();
        let read = self.read(api, sink, config, &batch, look.from(), now);
        let Fresh { mut acts, seen, notes, whole, .. } = match read {
            Ok(fresh) => fresh,
            Err(stop) => {
                self.look = Some(look);
                return Err(stop);
            }
        };
        self.patience.renew();
        let whole = whole.unwrap_or(batch.len());
        look.pending.drain(..whole);
        acts.sort_by_key(|act| act.at);
        self.seen.extend(seen);
        self.known
            .extend(batch.into_iter().take(whole).map(|issue| (issue.id, issue.fields.updated)));
        if !look.pending.is_empty() || matches!(look.page, Page::After(_)) {
            self.look = Some(look);
            return Ok(Heard { acts, cursor: None, more: More::Yes, notes });
        }
        self.known.retain(|id, _| look.found.contains_key(id));
        self.seen.retain(|_, at| *at + OVERLAP + OVERLAP >= since);
        let cursor = Some(look.began.max(since).millis().to_string());
        Ok(Heard { acts, cursor, more: More::No, notes })
    }

    /// What others than we did to a few issues since then.
    fn read(
        &mut self,
        api: &Api,
        sink: &Name,
        config: &JiraConfig,
        batch: &[Issue],
        from: Timestamp,
        now: Timestamp,
    ) -> Result<Fresh, Stop> {
        let mut fresh = Fresh::default();
        if batch.is_empty() {
            return Ok(fresh);
        }
        let (own, statuses) = self.constants(api, now)?;
        let ids: Vec<&str> = batch.iter().map(|issue| issue.id.as_str()).collect();
        let hears_links = !config.duplicate_link.is_empty();
        let changes = changes(api, &ids, if hears_links { &[] } else { &FIELDS }, now);
        let what = format!("changes {}", ids.first().copied().unwrap_or_default());
        match self.patience.read(&what, changes)? {
            Some((histories, whole)) => {
                'issues: for (place, issue) in batch.iter().enumerate() {
                    let Some(incident) = issue.incident() else { continue };
                    for history in histories.get(&issue.id).into_iter().flatten() {
                        if hears_links && self.asks_of(issue, history, &own, from) {
                            if fresh.asked >= ASKED_MAX {
                                fresh.whole = Some(place);
                                break 'issues;
                            }
                            fresh.asked += 1;
                        }
                        self.changed(
                            &mut fresh,
                            sink,
                            (issue, incident),
                            history,
                            (&own, &statuses),
                            from,
                        );
                        let place = (issue, incident);
                        self.linked(
                            &mut fresh,
                            (api, sink, config),
                            place,
                            history,
                            &own,
                            (from, now),
                        )?;
                    }
                }
                if !whole {
                    fresh.notes.push(String::from("issues have too many changes to read all"));
                }
            }
            None => fresh.notes.push(format!("changes of {} issues cannot be read", batch.len())),
        }
        for issue in batch.iter().take(fresh.whole.unwrap_or(batch.len())) {
            let Some(incident) = issue.incident() else { continue };
            let comments = api.comments(&issue.id, from, now);
            let unread = match self.patience.read(&format!("c{}", issue.id), comments)? {
                Some((comments, unread)) => {
                    for comment in comments.iter().rev() {
                        self.said(&mut fresh, sink, (issue, incident), comment, &own, from);
                    }
                    unread > 0
                }
                None => true,
            };
            if unread {
                let key = Untrusted(&issue.key).line(40);
                fresh.notes.push(format!("a comment of issue {key} cannot be read"));
            }
        }
        Ok(fresh)
    }

    fn changed(
        &self,
        fresh: &mut Fresh,
        sink: &Name,
        (issue, incident): (&Issue, IncidentId),
        history: &History,
        (own, statuses): (&str, &Statuses),
        from: Timestamp,
    ) {
        let Some(at) = history.at().filter(|at| *at >= from) else { return };
        let entry = format!("{}-{}", issue.id, history.id);
        if history.author.account_id == own || self.seen.contains_key(&entry) {
            return;
        }
        let deed =
            Deed { via: sink, entry: &entry, author: author(&history.author), at, reason: "" };
        let decisions = history
            .items
            .iter()
            .flat_map(|change| decisions(statuses, change, &history.author, incident));
        fresh.acts.extend(decisions.map(|decision| deed.act(decision)));
        fresh.seen.insert(entry, at);
    }

    /// Whether somebody linked something there that we have not heard of.
    fn asks_of(&self, issue: &Issue, history: &History, own: &str, from: Timestamp) -> bool {
        let entry = format!("{}-{}", issue.id, history.id);
        history.items.iter().any(|change| links::linked(change).is_some())
            && history.author.account_id != own
            && !self.seen.contains_key(&entry)
            && history.at().is_some_and(|at| at >= from)
    }

    /// An issue that a person called a duplicate of another of ours is part of its incident.
    fn linked(
        &mut self,
        fresh: &mut Fresh,
        (api, sink, config): (&Api, &Name, &JiraConfig),
        (issue, incident): (&Issue, IncidentId),
        history: &History,
        own: &str,
        (from, now): (Timestamp, Timestamp),
    ) -> Result<(), Stop> {
        if config.duplicate_link.is_empty() || !self.asks_of(issue, history, own, from) {
            return Ok(());
        }
        let entry = format!("{}-{}", issue.id, history.id);
        let Some(at) = history.at() else { return Ok(()) };
        // One link is made at a time; more in one entry are not looked for.
        for key in history.items.iter().filter_map(links::linked).take(1) {
            let found = links::duplicate_of(api, &issue.id, key, &config.duplicate_link, now);
            let Some(original) = self.patience.read(&format!("l{entry}"), found)? else {
                let key = Untrusted(&issue.key).line(40);
                fresh.notes.push(format!("a link of issue {key} cannot be read"));
                continue;
            };
            let Some(into) = original.filter(|into| *into != incident) else { continue };
            let author = author(&history.author);
            let reason = "it was linked as a duplicate of that incident's issue";
            let deed = Deed { via: sink, entry: &entry, author, at, reason };
            fresh.acts.push(deed.act(Decision::Merge { incident, into }));
        }
        Ok(())
    }

    fn said(
        &self,
        fresh: &mut Fresh,
        sink: &Name,
        (issue, incident): (&Issue, IncidentId),
        comment: &Comment,
        own: &str,
        from: Timestamp,
    ) {
        let Some(at) = time(&comment.created).filter(|at| *at >= from) else { return };
        let entry = format!("{}-c{}", issue.id, comment.id);
        if comment.author.account_id == own || self.seen.contains_key(&entry) {
            return;
        }
        let words = adf::words(&comment.body);
        if !words.is_empty() {
            let author = author(&comment.author);
            let deed = Deed { via: sink, entry: &entry, author, at, reason: &words };
            fresh.acts.push(deed.act(Decision::Comment { incident }));
        }
        fresh.seen.insert(entry, at);
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

impl Look {
    fn new(since: Timestamp, began: Timestamp, begun: Timestamp, lasts: Nanos) -> Self {
        let (pending, found) = (VecDeque::new(), BTreeMap::new());
        Self { since, began, begun, lasts, pending, page: Page::First, found }
    }

    /// Whether its distance in minutes still reaches back far enough: that is one from the site's now.
    fn is_good(&self, now: Timestamp) -> bool {
        (Nanos(0)..=self.lasts).contains(&(now - self.begun))
    }

    fn from(&self) -> Timestamp {
        self.since + Nanos(-OVERLAP.0)
    }

    /// Takes in the next page, without issues that are as they were. JQL's dates have minutes and the
    /// account's time zone; a distance has neither trouble. The order is one that no update changes.
    fn turn_the_page(
        &mut self,
        api: &Api,
        project: &str,
        known: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<(), Stop> {
        let page = match &self.page {
            Page::First => None,
            Page::After(token) => Some(token.as_str()),
            Page::None => return Ok(()),
        };
        let reach = (self.began - self.from()).0.max(0).saturating_add(self.lasts.0);
        let minutes = reach / Nanos::from_secs(60).0 + 1;
        let jql = format!(
            "project = \"{project}\" AND labels = \"{LABEL}\" AND updated >= \"-{minutes}m\" \
             ORDER BY created ASC"
        );
        let Found { issues, next } = api.search(&jql, &["labels", "updated"], PAGE, page, now)?;
        for issue in issues {
            let changed = known.get(&issue.id) != Some(&issue.fields.updated);
            if self.found.len() < KNOWN_MAX {
                self.found.insert(issue.id.clone(), issue.fields.updated.clone());
            }
            if changed && issue.incident().is_some() {
                self.pending.push_back(issue);
            }
        }
        self.page = next.map_or(Page::None, Page::After);
        Ok(())
    }
}

/// The changes of issues by issue, and whether that is all.
fn changes(
    api: &Api,
    ids: &[&str],
    fields: &[&str],
    now: Timestamp,
) -> Result<(BTreeMap<String, Vec<History>>, bool), Stop> {
    let mut all: BTreeMap<String, Vec<History>> = BTreeMap::new();
    let mut next: Option<String> = None;
    for _ in 0..CHANGE_REQUESTS_MAX {
        let page = api.changes(ids, fields, CHANGES_PAGE, next.as_deref(), now)?;
        for issue in page.issues {
            all.entry(issue.issue).or_default().extend(issue.histories);
        }
        next = page.next;
        if next.is_none() {
            return Ok((all, true));
        }
    }
    Ok((all, false))
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
