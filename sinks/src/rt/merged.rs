//! Tickets that people made part of others: whose they were.
//!
//! RT's searches leave out what became part of another ticket, unless they ask for its effective
//! number. With that the fields of such a ticket are read as they were, our incident's id among them.
//! The link's transaction stands at both tickets; the one that was merged is whose act it is.

use std::collections::{BTreeMap, BTreeSet};

use model::command::Decision;
use model::id::IncidentId;
use model::time::Timestamp;
use serde::Deserialize;

use super::api::{Api, Ticket};
use crate::exchange::{Stop, encoded, parse};
use crate::heard::incident_id;

/// Tickets of one search: RT's own bound of a page.
const ASKED_MAX: usize = 100;

/// The incidents of tickets, also of those that became part of others.
pub(super) type Tickets = BTreeMap<u64, IncidentId>;

#[derive(Deserialize)]
struct Page {
    items: Vec<Ticket>,
}

/// Which of the tickets are an incident's, of those that our own account made.
pub(super) fn ours(api: &Api, ids: &BTreeSet<u64>, now: Timestamp) -> Result<Tickets, Stop> {
    let mut known = Tickets::new();
    let ids: Vec<u64> = ids.iter().copied().collect();
    for some in ids.chunks(ASKED_MAX) {
        let any: Vec<String> = some.iter().map(|id| format!("id = {id}")).collect();
        let query =
            format!("Creator = '__CurrentUser__' AND EffectiveId > 0 AND ({})", any.join(" OR "));
        let path = format!(
            "/REST/2.0/tickets?query={}&fields=CustomFields&per_page={ASKED_MAX}",
            encoded(&query)
        );
        let page: Page = parse(&api.rest.get(&path, now)?)?;
        let whose = |ticket: &Ticket| Some((ticket.id, incident_id(api.value(ticket)?)?));
        known.extend(page.items.iter().filter_map(whose));
    }
    Ok(known)
}

/// The number at the end of a ticket's URI: `fsck.com-rt://example.org/ticket/12`.
pub(super) fn number_of(uri: &str) -> Option<u64> {
    let (base, number) = uri.rsplit_once('/')?;
    base.ends_with("/ticket").then(|| number.parse().ok()).flatten()
}

/// That two of our tickets are one now; `None` where there is nothing to merge: the other ticket is a
/// person's own, or of the same incident.
pub(super) fn decision(tickets: &Tickets, incident: IncidentId, into: u64) -> Option<Decision> {
    let into = *tickets.get(&into)?;
    (into != incident).then_some(Decision::Merge { incident, into })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tickets_number_is_read_from_its_uri_and_from_nothing_else() {
        assert_eq!(number_of("fsck.com-rt://example.org/ticket/12"), Some(12));
        for other in ["fsck.com-rt://example.org/asset/12", "https://wiki/ticket/x", "12", ""] {
            assert_eq!(number_of(other), None, "{other}");
        }
    }

    #[test]
    fn only_tickets_of_two_incidents_of_ours_make_a_merge() {
        let (a, b) = (IncidentId(0xa), IncidentId(0xb));
        let tickets = Tickets::from([(1, a), (2, b), (3, a)]);
        assert_eq!(decision(&tickets, a, 2), Some(Decision::Merge { incident: a, into: b }));
        assert_eq!(decision(&tickets, a, 3), None, "two tickets of one incident");
        assert_eq!(decision(&tickets, a, 4), None, "a ticket that a person made");
    }
}
