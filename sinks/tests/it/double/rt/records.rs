//! What a Request Tracker holds, and what people do there.

#![expect(clippy::indexing_slicing, reason = "places that were looked up")]

use serde_json::json;

use super::{FIELD, OURS, PERSON, QUEUE, STATUSES, USERS};

/// A ticket.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    pub(crate) id: u64,
    pub(crate) queue: String,
    pub(crate) subject: String,
    pub(crate) content: String,
    pub(crate) status: String,
    pub(crate) priority: String,
    pub(crate) owner: String,
    pub(crate) creator: String,
    /// Our custom field.
    pub(crate) field: Option<String>,
    pub(crate) refers_to: Option<String>,
    /// The ticket that this one became part of.
    pub(crate) merged_into: Option<u64>,
}

/// What somebody did to a ticket.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) id: u64,
    pub(crate) ticket: u64,
    pub(crate) kind: &'static str,
    pub(crate) field: &'static str,
    pub(crate) old: String,
    pub(crate) new: String,
    pub(crate) creator: String,
    pub(crate) subject: String,
    pub(crate) content: String,
}

/// A server with one queue.
#[derive(Debug)]
pub(crate) struct Tracker {
    pub(crate) tickets: Vec<Ticket>,
    pub(crate) transactions: Vec<Transaction>,
    /// Rules that a request broke.
    pub(crate) broken: Vec<String>,
    /// Whether tickets of the queue have our custom field.
    pub(crate) has_field: bool,
    /// Steps that the lifecycle does not have.
    pub(crate) no_step: Vec<(&'static str, &'static str)>,
    /// What a person does as soon as a ticket was read: a status.
    pub(crate) meanwhile: Option<&'static str>,
}

impl Default for Tracker {
    fn default() -> Self {
        Self {
            tickets: Vec::new(),
            transactions: Vec::new(),
            broken: Vec::new(),
            has_field: true,
            no_step: Vec::new(),
            meanwhile: None,
        }
    }
}

impl Tracker {
    /// What RT says of it; nothing if it was so before.
    pub(super) fn set_status(&mut self, id: u64, status: &str, who: &str) -> Option<String> {
        let place = self.place(&id.to_string())?;
        let old = self.tickets[place].status.clone();
        if old == status {
            return None;
        }
        if !STATUSES.contains(&status) {
            return Some(format!(
                "Ticket {id}: Status '{status}' isn't a valid status for this ticket."
            ));
        }
        if self.no_step.contains(&(old.as_str(), status)) {
            return Some(format!(
                "Ticket {id}: You can't change status from '{old}' to '{status}'."
            ));
        }
        status.clone_into(&mut self.tickets[place].status);
        let done = self.log(id, "Status", who);
        (done.field, done.old, done.new) = ("Status", old.clone(), status.to_owned());
        Some(format!("Ticket {id}: Status changed from '{old}' to '{status}'"))
    }

    /// The place of the ticket of this number, or of the one that it became part of.
    pub(super) fn place(&self, id: &str) -> Option<usize> {
        let at = |id: u64| self.tickets.iter().position(|ticket| ticket.id == id);
        let place = at(id.parse().ok()?)?;
        self.tickets[place].merged_into.map_or(Some(place), at)
    }

    pub(super) fn tag(&self, id: u64) -> Option<String> {
        let place = self.place(&id.to_string())?;
        let id = self.tickets[place].id;
        let newest = self.transactions.iter().rev().find(|one| one.ticket == id)?;
        Some(format!("\"{}\"", newest.id))
    }

    pub(super) fn log(
        &mut self,
        ticket: u64,
        kind: &'static str,
        creator: &str,
    ) -> &mut Transaction {
        let id = self.transactions.len() as u64 + 1;
        self.transactions.push(Transaction {
            id,
            ticket,
            kind,
            field: "",
            old: String::new(),
            new: String::new(),
            creator: creator.to_owned(),
            subject: String::new(),
            content: String::new(),
        });
        self.transactions.last_mut().expect("it was pushed")
    }

    pub(super) fn say(&mut self, ticket: u64, who: &str, subject: &str, content: &str) {
        let said = self.log(ticket, "Comment", who);
        (said.subject, said.content) = (subject.to_owned(), content.to_owned());
    }

    /// A person sets a ticket's status.
    pub(crate) fn move_to(&mut self, id: u64, status: &str) {
        let said = self.set_status(id, status, PERSON).unwrap_or_default();
        assert!(said.contains("changed"), "{said}");
    }

    /// A person gives a ticket to somebody.
    pub(crate) fn give(&mut self, id: u64, to: &str) {
        let number = |name: &str| {
            let user = USERS.iter().find(|(_, known)| *known == name);
            user.map_or_else(String::new, |(number, _)| (*number).to_owned())
        };
        let place = self.place(&id.to_string()).expect("the ticket is there");
        let old = std::mem::replace(&mut self.tickets[place].owner, to.to_owned());
        for kind in ["SetWatcher", "Give"] {
            let done = self.log(id, kind, PERSON);
            (done.field, done.old, done.new) = ("Owner", number(&old), number(to));
        }
    }

    /// One ticket becomes part of another. The link's transaction stands at both.
    pub(super) fn merge(&mut self, id: u64, into: u64, who: &str) {
        let place = self.place(&id.to_string()).expect("the ticket is there");
        self.tickets[place].merged_into = Some(into);
        for ticket in [id, into] {
            let done = self.log(ticket, "AddLink", who);
            (done.field, done.new) = ("MergedInto", format!("fsck.com-rt://test/ticket/{into}"));
        }
    }

    /// A person makes one ticket part of another.
    pub(crate) fn person_merges(&mut self, id: u64, into: u64) {
        self.merge(id, into, PERSON);
    }

    /// A person comments on a ticket.
    pub(crate) fn person_says(&mut self, id: u64, content: &str) {
        self.say(id, PERSON, "", content);
    }

    /// Somebody else makes a ticket with an incident's id: a person who copies one, or an older self.
    pub(crate) fn make_double(&mut self, incident: &str, who: Who) {
        let body =
            json!({"Queue": QUEUE, "Subject": "a double", "CustomFields": {FIELD: incident}});
        let who = if who == Who::Us { OURS } else { PERSON };
        let made = self.create(body.as_object().expect("an object"), who);
        assert!(made.is_ok(), "{made:?}");
    }

    /// The words of our comments on a ticket, oldest first.
    pub(crate) fn comments(&self, id: u64) -> Vec<String> {
        let ours =
            |one: &&Transaction| one.ticket == id && one.kind == "Comment" && one.creator == OURS;
        self.transactions.iter().filter(ours).map(|one| one.content.clone()).collect()
    }
}

/// Whose account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Us,
    Person,
}
