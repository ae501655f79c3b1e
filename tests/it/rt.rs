//! A real Request Tracker: one incident is one ticket, whatever breaks when, and what a person does
//! there comes back as acts. Needs `FAULTLINE_TEST_RT` (`tests/rt.sh`, `tests/run.sh`).

#[path = "../../sinks/tests/it/fixture.rs"]
#[expect(dead_code, reason = "shared with the tests of the sinks, which use all")]
mod fixture;
mod gate;
mod merged;
mod office;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use model::command::{Act, Command, Decision};
use model::id::IncidentId;
use model::incident::{Incident, IncidentState, Ticket as Linked};
use model::journal::{JournalEntry, JournalRecord};
use pipeline::cli::Role;
use pipeline::clock::{self, StopWatch};
use pipeline::config::{self, Config};
use pipeline::log::{Log, NewRecord, Start, TopicPartition};
use pipeline::run::Running;
use pipeline::run::stop::Stop;
use serde_json::json;
use sinks::delivery::record::Delivered;
use tests::{binary, request_tracker};

use gate::{Gate, Mode};
use office::{Office, Who};

/// How long anything may take. RT is slow on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
const HOOK_SECRET: &str = "a-secret-of-some-length";
/// How often the service is killed between call and answer.
const KILLS: u64 = 50;
/// More incidents than kills: Request Tracker now and then resets the connection with its answer, which cannot
/// be held then; faultline looks that ticket up and goes on to the next.
const SPARE: u64 = 10;

/// An installation that tells one Request Tracker, through a gate.
struct Desk {
    office: Office,
    gate: Gate,
    /// Of console and API.
    address: String,
    config_file: PathBuf,
    config: Config,
    _directory: tempfile::TempDir,
}

impl Desk {
    fn new(rt: &Path) -> Self {
        Self::listening(rt, 5)
    }

    /// One that asks every so many seconds what people did, and has a hook.
    fn listening(rt: &Path, every_s: u32) -> Self {
        let office = Office::at(rt);
        let gate = Gate::open(office.address());
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        let config_file = root.join("faultline.yaml");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address").to_string();
        drop(free);
        std::fs::write(root.join("hook"), HOOK_SECRET).expect("it can be written");
        let text = format!(
            "log: {{kind: embedded, directory: '{root}/log'}}\n\
             data_dir: '{root}/data'\n\
             http: {{listen: '{address}'}}\nintake: {{listen: '127.0.0.1:0'}}\n\
             sinks:\n- rt:\n    name: itsm\n    url: {url}\n    queue: Incidents\n    \
             auth: {{bearer: {{token: {{file: '{token}'}}}}}}\n    listen_every_s: {every_s}\n    \
             hook: {{secrets: [{{file: '{root}/hook'}}]}}\n    timeout_ms: 30000\n    delivery: {{update_every_s: 0}}\n",
            root = root.display(),
            url = gate.url(),
            token = office.token_file().display(),
        );
        std::fs::write(&config_file, text).expect("it can be written");
        let config = config::load(&config_file).unwrap_or_else(|errors| panic!("{errors}"));
        Self { office, gate, address, config_file, config, _directory: directory }
    }

    /// What a scrip of Request Tracker does when a ticket changes; tells the status of the answer.
    fn ring(&self, secret: &str) -> u16 {
        let to = format!("http://{}/hooks/itsm", self.address);
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request = agent.post(to).header("authorization", format!("Bearer {secret}"));
        request.send("a ticket changed").expect("it answers").status().as_u16()
    }

    /// Starts the service's delivery in this process.
    fn start(&self) -> Live {
        let log = self.config.open_log().expect("the log opens");
        let running = pipeline::run::start(&self.config, log.clone(), &[Role::Deliver])
            .expect("the service starts");
        let live = Live { log, running, stop: Stop::default() };
        // From where to listen is known before anything is said.
        live.wait_for("the first cursor", || live.said("itsm").map(drop));
        live
    }

    /// Starts the service's delivery as a process of its own.
    fn child(&self) -> Kill {
        let log = std::fs::File::create(self.config_file.with_extension("log")).expect("a file");
        let child = Process::new(binary())
            .args(["run", "--roles", "deliver", "-c"])
            .arg(&self.config_file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        Kill(child)
    }

    /// What the newest process of its own logged.
    fn logged(&self) -> String {
        std::fs::read_to_string(self.config_file.with_extension("log")).unwrap_or_default()
    }
}

/// A child process that gets `kill -9`, at the latest when dropped.
struct Kill(Child);

impl Drop for Kill {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The service, running.
struct Live {
    log: Arc<dyn Log>,
    running: Running,
    stop: Stop,
}

impl Live {
    fn end(self) {
        self.running.end().expect("it ends well");
    }

    /// A new revision is published.
    fn publish(&self, incident: &Incident) {
        publish(&*self.log, std::slice::from_ref(incident));
    }

    /// The value of a record of `faultline.deliveries`.
    fn said(&self, key: &str) -> Option<Vec<u8>> {
        let all = self.log.latest_by_key("faultline.deliveries").expect("it can be read");
        all.into_iter().find(|record| record.key.as_deref() == Some(key.as_bytes()))?.value
    }

    fn delivered(&self, incident: &Incident) -> Option<Delivered> {
        let value = self.said(&format!("itsm/{}", incident.id))?;
        Delivered::from_json(&value).filter(|said| said.revision >= incident.revision)
    }

    /// Publishes and waits until it is said.
    fn tell(&self, incident: &Incident) {
        self.publish(incident);
        self.wait_for("the delivery", || self.delivered(incident));
    }

    fn wait_for<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let watch = StopWatch::start();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(watch.elapsed() < PATIENCE, "{what} does not come");
            let _never = self.stop.wait(Duration::from_millis(100));
        }
    }

    /// All commands in the journal, in order.
    fn commands(&self) -> Vec<Command> {
        let from = (TopicPartition::new("faultline.journal", 0), Start::Oldest);
        let mut reader = self.log.reader(&[from]).expect("the journal is there");
        let mut commands = Vec::new();
        loop {
            let batch = reader.poll(1_000, Duration::from_millis(20)).expect("it can be read");
            let values = batch.records.iter().filter_map(|record| record.value.as_deref());
            commands.extend(values.filter_map(command));
            if !batch.caught_up.is_empty() {
                return commands;
            }
        }
    }

    fn acts(&self, incident: IncidentId) -> Vec<Act> {
        let acts = self.commands().into_iter().filter_map(|command| match command {
            Command::Act(act) => Some(act),
            Command::LinkTicket { .. } => None,
        });
        acts.filter(|act| act.decision.incident() == Some(incident)).collect()
    }

    fn link(&self, incident: IncidentId) -> Linked {
        let found = |command| match command {
            Command::LinkTicket { incident: of, ticket } if of == incident => Some(ticket),
            _ => None,
        };
        self.commands().into_iter().find_map(found).expect("the ticket is linked")
    }
}

fn command(value: &[u8]) -> Option<Command> {
    match serde_json::from_slice::<JournalEntry>(value).ok()?.record {
        JournalRecord::Command(command) => Some(command),
        _ => None,
    }
}

fn publish(log: &dyn Log, incidents: &[Incident]) {
    let record = |incident: &Incident| NewRecord {
        timestamp_ms: incident.updated_at.millis(),
        key: Some(incident.id.to_string().into_bytes()),
        headers: Vec::new(),
        value: Some(serde_json::to_vec(incident).expect("an incident is JSON")),
    };
    let records = incidents.iter().map(record).collect();
    log.append(&TopicPartition::new("faultline.incidents", 0), records).expect("it is durable");
}

/// An id that no earlier run has used: the same Request Tracker may serve many.
fn fresh_id() -> u64 {
    clock::now().0.unsigned_abs()
}

fn numbered(id: u64, revision: u32, state: IncidentState) -> Incident {
    Incident { id: IncidentId(id), ..fixture::in_state(revision, state) }
}

#[test]
fn one_incident_is_one_ticket_from_its_first_page_to_its_second_end() {
    let Some(rt) = request_tracker() else { return };
    let desk = Desk::new(&rt);
    let made_before = desk.office.ever_made();
    let live = desk.start();
    let id = fresh_id();
    let name = IncidentId(id).to_string();

    live.tell(&numbered(id, 1, IncidentState::Open));
    let ticket = desk.office.ticket(&name);
    assert_eq!(ticket.subject, "P2 Checkout is slow and fails");
    assert_eq!((ticket.status.as_str(), ticket.priority.as_str()), ("new", "80"));
    let link = live.link(IncidentId(id));
    assert_eq!(link.id.as_str(), ticket.id);
    assert!(link.url.is_some_and(|url| url.ends_with(&format!("id={}", ticket.id))));

    let mut wider = numbered(id, 2, IncidentState::Open);
    wider.services.push("cart".into());
    live.tell(&wider);
    let comments = desk.office.ticket(&name).comments;
    assert_eq!(comments, ["faultline, revision 2:\n- Now also affected: cart."]);

    live.tell(&numbered(id, 3, IncidentState::Resolved));
    let resolved = desk.office.ticket(&name);
    assert_eq!((resolved.status.as_str(), resolved.comments.len()), ("resolved", 2));
    let last = resolved.comments.last().cloned().unwrap_or_default();
    assert!(last.starts_with("Resolved: its causes are quiet since"), "{last}");

    let mut again = numbered(id, 4, IncidentState::Open);
    again.lineage.reopened = 1;
    live.tell(&again);
    assert_eq!(desk.office.ticket(&name).status, "open");

    // Request Tracker itself goes down; only the newest of what happens meanwhile is said.
    desk.office.server("stop");
    let mut missed = numbered(id, 5, IncidentState::Open);
    missed.services.push("cart".into());
    missed.lineage.reopened = 1;
    live.publish(&missed);
    let over = numbered(id, 6, IncidentState::Resolved);
    live.publish(&over);
    desk.office.server("start");
    live.wait_for("the end", || live.delivered(&over));
    let ended = desk.office.ticket(&name);
    assert_eq!((ended.id.as_str(), ended.status.as_str()), (ticket.id.as_str(), "resolved"));
    assert!(!ended.comments.iter().any(|text| text.contains("revision 5")), "{:?}", ended.comments);

    assert_eq!(desk.office.ever_made(), made_before + 1);
    assert_eq!(live.acts(IncidentId(id)), [], "our own work is nobody's act");
    live.end();
}

#[test]
fn what_a_person_does_to_a_ticket_comes_back_as_acts_and_wins() {
    let Some(rt) = request_tracker() else { return };
    let desk = Desk::new(&rt);
    let live = desk.start();
    let id = fresh_id();
    let (incident, name) = (IncidentId(id), IncidentId(id).to_string());
    live.tell(&numbered(id, 1, IncidentState::Open));
    let ticket = desk.office.ticket(&name).id;

    desk.office.take(&ticket);
    desk.office.say(&ticket, "the pool was too small\nrolling back");
    desk.office.set(&ticket, &json!({"Status": "resolved"}));
    let acts = live.wait_for("a person's resolve", || {
        let acts = live.acts(incident);
        acts.iter().any(|act| act.decision == Decision::Resolve { incident }).then_some(acts)
    });
    let decisions: Vec<&Decision> = acts.iter().map(|act| &act.decision).collect();
    assert_eq!(
        decisions,
        [
            &Decision::Assign { incident, to: Some("operator".into()) },
            &Decision::Acknowledge { incident },
            &Decision::Comment { incident },
            &Decision::Resolve { incident },
        ]
    );
    assert!(acts.iter().all(|act| act.author.as_str() == "operator" && act.via.as_str() == "itsm"));
    assert_eq!(
        acts.get(2).map(|act| act.reason.as_str()),
        Some("the pool was too small\nrolling back")
    );

    // More news of an incident that goes on do not reopen what a person resolved.
    let mut wider = numbered(id, 2, IncidentState::Open);
    wider.services.push("cart".into());
    live.tell(&wider);
    assert_eq!(desk.office.ticket(&name).status, "resolved");

    desk.office.set(&ticket, &json!({"Status": "open"}));
    live.wait_for("a person's reopen", || {
        let acts = live.acts(incident);
        acts.iter().find(|act| act.decision == Decision::Reopen { incident }).cloned()
    });
    let heard: Vec<Act> = live.acts(incident);
    live.end();

    // A restart hears nothing twice that the fold would not know again by its id.
    let live = desk.start();
    desk.office.say(&ticket, "after the restart");
    let all = live.wait_for("a comment after the restart", || {
        let acts = live.acts(incident);
        acts.iter().any(|act| act.reason == "after the restart").then_some(acts)
    });
    let mut ids: Vec<&str> = all.iter().map(|act| act.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), heard.len() + 1, "{all:#?}");
    live.end();
}

#[test]
fn a_scrip_that_rings_has_a_persons_work_heard_an_hour_before_the_next_look() {
    let Some(rt) = request_tracker() else { return };
    let desk = Desk::listening(&rt, 3_600);
    let live = desk.start();
    let id = fresh_id();
    let incident = IncidentId(id);
    live.tell(&numbered(id, 1, IncidentState::Open));
    let ticket = desk.office.ticket(&incident.to_string()).id;
    desk.office.say(&ticket, "rolling back");
    assert_eq!(desk.ring("not-the-secret-of-ours"), 401);
    assert_eq!(live.acts(incident), [], "nobody looked");
    assert_eq!(desk.ring(HOOK_SECRET), 200);
    let acts =
        live.wait_for("the comment", || Some(live.acts(incident)).filter(|acts| !acts.is_empty()));
    assert_eq!(acts.len(), 1);
    assert!(acts.iter().all(|act| act.reason == "rolling back" && *act.via == *"itsm"));
    live.end();
}

#[test]
fn doubles_of_ours_are_merged_into_the_oldest_and_copies_of_people_stay() {
    let Some(rt) = request_tracker() else { return };
    let desk = Desk::new(&rt);
    let live = desk.start();
    let id = fresh_id();
    let name = IncidentId(id).to_string();
    live.tell(&numbered(id, 1, IncidentState::Open));
    let oldest = desk.office.ticket(&name).id;
    desk.office.make_double(&name, Who::Faultline);
    desk.office.make_double(&name, Who::Person);
    assert_eq!(desk.office.tickets(&name).len(), 3);
    let mut wider = numbered(id, 2, IncidentState::Open);
    wider.services.push("cart".into());
    live.tell(&wider);
    let mut left = desk.office.tickets(&name);
    left.sort_by_key(|ticket| ticket.comments.is_empty());
    assert_eq!(left.len(), 2);
    assert_eq!(left.first().map(|ticket| ticket.id.as_str()), Some(oldest.as_str()));
    assert!(left.last().is_some_and(|copy| copy.comments.is_empty() && copy.status == "new"));
    live.end();
}

#[test]
fn a_copy_that_a_person_made_is_not_taken_for_ours_when_it_is_the_only_one() {
    let Some(rt) = request_tracker() else { return };
    let desk = Desk::new(&rt);
    let live = desk.start();
    let id = fresh_id();
    let name = IncidentId(id).to_string();
    desk.office.make_double(&name, Who::Person);
    let theirs = desk.office.ticket(&name);
    live.tell(&numbered(id, 1, IncidentState::Open));
    let tickets = desk.office.tickets(&name);
    assert_eq!(tickets.len(), 2, "ours was made beside it");
    let left = tickets.iter().find(|ticket| ticket.id == theirs.id).expect("it is still there");
    assert_eq!((&left.subject, &left.status), (&theirs.subject, &theirs.status));
    // Ours is resolved, theirs stays as it is.
    live.tell(&numbered(id, 2, IncidentState::Resolved));
    let tickets = desk.office.tickets(&name);
    let left = tickets.iter().find(|ticket| ticket.id == theirs.id).expect("it is still there");
    assert!(left.comments.is_empty() && left.status == theirs.status);
    assert!(tickets.iter().any(|ticket| ticket.id != theirs.id && ticket.status == "resolved"));
    live.end();
}

#[test]
fn fifty_kills_between_call_and_answer_make_no_second_ticket() {
    let Some(rt) = request_tracker() else { return };
    let desk = Desk::new(&rt);
    let made_before = desk.office.ever_made();
    let first = fresh_id();
    let incidents: Vec<Incident> =
        (0..KILLS + SPARE).map(|count| numbered(first + count, 1, IncidentState::Open)).collect();
    // The log belongs to one process at a time: what is to be told is there before the first start.
    let live = desk.start();
    live.running.stop.set();
    publish(&*live.log, &incidents);
    live.end();

    desk.gate.set(Mode::HoldNewTickets);
    for count in 0..KILLS {
        let child = desk.child();
        let made = || desk.office.ever_made() - made_before;
        let held = desk.gate.has_held(PATIENCE);
        assert!(
            held,
            "kill {count}: no answer to hold; {} tickets are there\n{}",
            made(),
            desk.logged()
        );
        // `kill -9`: the ticket is there, its number is not known to anybody here.
        drop(child);
    }
    desk.gate.set(Mode::Pass);
    let live = desk.start();
    for incident in &incidents {
        live.wait_for("every delivery", || live.delivered(incident));
    }
    for incident in &incidents {
        assert_eq!(desk.office.tickets_of(&incident.id.to_string()), 1);
    }
    assert_eq!(desk.office.ever_made(), made_before + incidents.len(), "not one was made twice");
    live.end();
}
