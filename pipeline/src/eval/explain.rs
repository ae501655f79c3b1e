//! Why a fault was missed: the ledgers of the winner and of the truth side by side.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use model::entity::EntityKind;
use model::hypothesis::{Evidence, Hypothesis};
use model::incident::Incident;
use model::time::{Nanos, Timestamp};

use super::history::{Course, History, cut};
use super::labels::Fault;
use super::suite::Window;
use super::verdict::{Verdict, is_right};
use super::whose::{is_in_time, since};
use crate::tell::{clean, short};

/// Hypotheses shown of an incident.
const HYPOTHESES: usize = 5;
/// Symptoms and alerts shown of the truth's service.
const MEMBERS: usize = 8;
/// How long before the window an incident is still near.
const HALF_AN_HOUR: Nanos = Nanos::from_secs(1800);
/// Incidents shown that might have been the fault's.
const NEIGHBOURS: usize = 5;

/// What is explained.
pub struct Miss<'a> {
    /// The stream's id.
    pub stream: &'a str,
    /// The fault.
    pub fault: &'a Fault,
    /// Its window.
    pub window: &'a Window,
    /// The verdict on it.
    pub verdict: &'a Verdict,
    /// The incidents that it claims, in the product's order.
    pub incidents: &'a [Arc<Incident>],
    /// All incidents of the stream.
    pub history: &'a History,
}

impl Miss<'_> {
    /// The explanation; `None` if nothing was missed.
    #[must_use]
    pub fn explain(&self) -> Option<String> {
        let causes = self.missed_cause();
        let changes = self.missed_change();
        if !causes && !changes {
            return None;
        }
        let mut text = String::new();
        let _infallible = self.write(&mut text, causes, changes);
        Some(text)
    }

    fn missed_cause(&self) -> bool {
        match self.fault.service() {
            Some(_) => self.verdict.rank != Some(1),
            None => !self.verdict.nothing_right,
        }
    }

    fn missed_change(&self) -> bool {
        let change = &self.verdict.change;
        match self.fault.change_id {
            Some(_) => change.rank != Some(1) || !change.guilty_first,
            None => change.decoy_first || (self.verdict.incidents > 0 && !change.none_first),
        }
    }

    fn write(&self, text: &mut String, causes: bool, changes: bool) -> fmt::Result {
        let fault = self.fault;
        writeln!(
            text,
            "{} {}: {}, onset {} give or take {:.0} s, cause {}, change {}",
            clean(self.stream),
            clean(&fault.window),
            clean(&fault.kind),
            fault.onset,
            fault.onset_uncertainty_s,
            clean(fault.service().unwrap_or("nothing inside")),
            clean(fault.change_id.as_deref().unwrap_or("none")),
        )?;
        if self.incidents.is_empty() {
            writeln!(text, "  no incident is this fault's")?;
            return self.write_neighbours(text);
        }
        for incident in self.incidents {
            write_incident(text, incident)?;
        }
        if causes {
            let place = self.verdict.rank.map_or("not named".into(), |rank| format!("rank {rank}"));
            writeln!(text, "  the cause: {place}")?;
            self.compare(text, &|h| is_right(h, fault))?;
            self.write_members(text)?;
        }
        if changes {
            let rank = self.verdict.change.rank;
            let place = rank.map_or("not blamed".into(), |rank| format!("rank {rank}"));
            let what = if fault.change_id.is_some() { "the guilty change" } else { "no change" };
            writeln!(
                text,
                "  {what}: {}",
                if fault.change_id.is_some() { &place } else { "not said" }
            )?;
            self.compare(text, &|h| match &h.change {
                Some(change) => fault.is_guilty(&change.id),
                None => fault.change_id.is_none(),
            })?;
        }
        writeln!(text)
    }

    /// The best hypothesis that is wrong and the best that is right, term by term.
    fn compare(&self, text: &mut String, right: &dyn Fn(&Hypothesis) -> bool) -> fmt::Result {
        let all = || self.incidents.iter().flat_map(|incident| &incident.hypotheses);
        let winner = all().find(|hypothesis| !right(hypothesis));
        let truth = all().find(|hypothesis| right(hypothesis));
        match (winner, truth) {
            (Some(winner), Some(truth)) => write_ledgers(text, winner, truth),
            (Some(winner), None) => {
                writeln!(text, "    the truth is no hypothesis; the winner is {}", named(winner))?;
                write_evidence(text, &winner.evidence)
            }
            (None, _) => writeln!(text, "    no hypothesis is wrong: only a tie was lost"),
        }
    }

    /// What the incidents have of the truth's service.
    fn write_members(&self, text: &mut String) -> fmt::Result {
        let Some(service) = self.fault.service() else { return Ok(()) };
        let symptoms: Vec<String> = self
            .incidents
            .iter()
            .flat_map(|incident| &incident.symptoms)
            .filter(|symptom| symptom.entity.service.as_str() == service)
            .map(|s| {
                format!(
                    "{:?} {} {:.1} nats {} of {}",
                    s.kind,
                    clean(&s.detail),
                    s.nats,
                    s.hits,
                    s.trials
                )
            })
            .collect();
        let alerts: Vec<String> = self
            .incidents
            .iter()
            .flat_map(|incident| &incident.alerts)
            .filter(|alert| alert.service.as_deref() == Some(service))
            .map(|alert| format!("{} ({})", clean(&alert.name), clean(&alert.summary)))
            .collect();
        for (what, rows) in [("symptoms", symptoms), ("alerts", alerts)] {
            writeln!(text, "    {what} of {} in them: {}", clean(service), rows.len())?;
            for row in rows.iter().take(MEMBERS) {
                writeln!(text, "      {row}")?;
            }
        }
        self.write_elsewhere(text, service)
    }

    /// Incidents near the fault that are not its own and have symptoms of the truth's service.
    fn write_elsewhere(&self, text: &mut String, service: &str) -> fmt::Result {
        let own: Vec<_> = self.incidents.iter().map(|incident| incident.id).collect();
        for course in self.neighbours() {
            let last = &course.last;
            let of_it = last.symptoms.iter().filter(|s| s.entity.service.as_str() == service);
            let count = of_it.count();
            if count > 0 && !own.contains(&last.id) {
                let (id, state) = (short(last), last.state.label());
                let why = self.why_not(course, cut(self.window.end));
                let onset = last.onset_at;
                writeln!(
                    text,
                    "    {count} more in {id} {state}, onset {onset}: not its own, {why}"
                )?;
            }
        }
        Ok(())
    }

    /// Which incidents there are around the fault, and why they are not its own.
    fn write_neighbours(&self, text: &mut String) -> fmt::Result {
        let until = cut(self.window.end);
        let courses = self.neighbours();
        if courses.is_empty() {
            writeln!(text, "  nor is there any other within half an hour before it")?;
        }
        for course in courses.into_iter().take(NEIGHBOURS) {
            writeln!(text, "  not its own, {}:", self.why_not(course, until))?;
            write_incident(text, &course.last)?;
        }
        writeln!(text)
    }

    /// Incidents that began in the half hour before the window or in it, the nearest first.
    fn neighbours(&self) -> Vec<&Course> {
        let span = (self.window.start - HALF_AN_HOUR)..=cut(self.window.end);
        let near = |course: &&Course| span.contains(&course.last.onset_at);
        let mut courses: Vec<&Course> = self.history.courses.values().filter(near).collect();
        courses.sort_by_key(|course| {
            ((course.last.onset_at - self.fault.onset).0.saturating_abs(), course.last.id)
        });
        courses
    }

    fn why_not(&self, course: &Course, until: Timestamp) -> &'static str {
        let then = course.moments.iter().rfind(|moment| moment.at <= until);
        if then.is_none() {
            "told too late"
        } else if !is_in_time(course.last.onset_at, self.window, self.fault) {
            "began outside of the fault's time"
        } else if course.is_open_before(since(self.window, self.fault)) {
            "open long before"
        } else if course.opened(until).is_none() {
            "never open"
        } else {
            "merged, withdrawn or no longer open then"
        }
    }
}

fn write_incident(text: &mut String, incident: &Incident) -> fmt::Result {
    writeln!(
        text,
        "  incident {} {} r{}: onset {}, impact {:.1}, {} alerts, {} symptoms in {} services",
        short(incident),
        incident.state.label(),
        incident.revision,
        incident.onset_at,
        incident.blast_radius.impact,
        incident.alerts.len(),
        incident.symptoms.len(),
        incident.services.len()
    )?;
    for hypothesis in incident.hypotheses.iter().take(HYPOTHESES) {
        writeln!(text, "    {}. {}", hypothesis.rank, named(hypothesis))?;
    }
    Ok(())
}

fn named(hypothesis: &Hypothesis) -> String {
    let nothing = hypothesis.entity.kind == EntityKind::Nothing;
    let change =
        hypothesis.change.as_ref().map_or(String::new(), |c| format!(" by {}", clean(&c.id)));
    format!(
        "{} {:?}{change}, {:.1} nats, {:.0} %",
        if nothing { "nothing inside".into() } else { clean(&hypothesis.entity.id) },
        hypothesis.kind,
        hypothesis.log_odds,
        hypothesis.probability * 100.0
    )
}

fn write_evidence(text: &mut String, evidence: &[Evidence]) -> fmt::Result {
    for row in evidence {
        writeln!(text, "      {:>+7.1}  {:?}: {}", row.nats, row.term, clean(&row.text))?;
    }
    Ok(())
}

/// Two ledgers as one table, the terms that part them most first.
fn write_ledgers(text: &mut String, winner: &Hypothesis, truth: &Hypothesis) -> fmt::Result {
    writeln!(text, "    winner  {}", named(winner))?;
    writeln!(text, "    truth   {}", named(truth))?;
    let mut terms: BTreeMap<_, [Vec<&Evidence>; 2]> = BTreeMap::new();
    for (side, hypothesis) in [winner, truth].into_iter().enumerate() {
        for row in &hypothesis.evidence {
            if let Some(rows) = terms.entry(row.term).or_default().get_mut(side) {
                rows.push(row);
            }
        }
    }
    let sum = |rows: &[&Evidence]| rows.iter().map(|row| row.nats).sum::<f64>();
    let mut rows: Vec<_> =
        terms.into_iter().map(|(t, [w, r])| (t, sum(&w), sum(&r), w, r)).collect();
    rows.sort_by(|a, b| (b.1 - b.2).abs().total_cmp(&(a.1 - a.2).abs()).then(a.0.cmp(&b.0)));
    writeln!(text, "      {:<15} {:>8} {:>8} {:>8}", "term", "winner", "truth", "between")?;
    for (term, of_winner, of_truth, winner, truth) in rows {
        let name = format!("{term:?}");
        let between = of_winner - of_truth;
        writeln!(text, "      {name:<15} {of_winner:>+8.1} {of_truth:>+8.1} {between:>+8.1}")?;
        for (side, rows) in [("winner", winner), ("truth ", truth)] {
            for row in rows {
                writeln!(text, "        {side}: {}", clean(&row.text))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use model::hypothesis::EvidenceTerm;

    use super::*;
    use crate::eval::fixture::{at, fault, hypothesis, incident, window};
    use crate::eval::verdict::judge;
    use crate::eval::whose::{Counting, claims};

    fn evidence(term: EvidenceTerm, nats: f64, text: &str) -> Evidence {
        let text = text.to_owned();
        Evidence { term, nats, text, traces: Vec::new(), alerts: Vec::new(), changes: Vec::new() }
    }

    fn explained(revision: Incident, fault: &Fault) -> Option<String> {
        let mut history = History::new([at(400)].into_iter());
        history.take(revision);
        let window = window(300, 400);
        let claims = claims(&history, 0, &window, fault, Counting::Open);
        let incidents: Vec<_> = claims.iter().map(|claim| claim.incident.clone()).collect();
        let verdict = judge(&claims, fault);
        let (history, incidents) = (&history, &incidents);
        Miss { stream: "s", fault, window: &window, verdict: &verdict, incidents, history }
            .explain()
    }

    #[test]
    fn a_miss_shows_both_ledgers_the_widest_gap_first() {
        let mut winner = hypothesis("mail", 12.0, None);
        winner.evidence = vec![
            evidence(EvidenceTerm::Alerts, 2.0, "one alert"),
            evidence(EvidenceTerm::SlowSelf, 10.0, "slow mail"),
        ];
        let mut truth = hypothesis("cart", 4.0, None);
        truth.evidence = vec![evidence(EvidenceTerm::Alerts, 4.0, "two alerts")];
        let mut revision = incident(1, 320);
        revision.hypotheses = vec![winner, truth];
        let told = explained(revision, &fault(320, "cart")).expect("it was missed");
        let (slow, alerts) = (told.find("slow mail").unwrap(), told.find("two alerts").unwrap());
        assert!(slow < alerts && told.contains("rank 2") && told.contains("+10.0"), "{told}");
    }

    #[test]
    fn a_truth_that_is_not_there_and_an_incident_that_is_not_the_faults_are_said() {
        let mut revision = incident(1, 320);
        revision.hypotheses = vec![hypothesis("mail", 12.0, None)];
        let told = explained(revision.clone(), &fault(320, "cart")).expect("it was missed");
        assert!(told.contains("no hypothesis") && told.contains("symptoms of cart"), "{told}");
        revision.onset_at = at(100);
        revision.updated_at = at(320);
        let told = explained(revision, &fault(320, "cart")).expect("it was missed");
        assert!(told.contains("began outside"), "{told}");
    }

    #[test]
    fn what_was_not_missed_is_not_explained() {
        let mut revision = incident(1, 320);
        revision.hypotheses = vec![hypothesis("cart", 12.0, None)];
        assert_eq!(explained(revision, &fault(320, "cart")), None);
    }
}
