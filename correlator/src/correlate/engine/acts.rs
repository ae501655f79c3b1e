//! What people decided, carried out in the order of the journal.

use model::command::{Act, Decision};
use model::id::IncidentId;
use model::time::Timestamp;

use super::Correlator;
use crate::correlate::output::Output;
use crate::correlate::people::{self, ActFault, Decree};
use crate::correlate::publish::{Around, Done};
use crate::correlate::world::Rules;

impl Correlator {
    /// Carries out what a person decided, once. True if the view must be derived again.
    pub(super) fn take_act(&mut self, act: &Act, arrival: Timestamp) -> bool {
        if self.acts.knows(&act.id) {
            self.stats.repeats += 1;
            return false;
        }
        let done = people::check(act).and_then(|()| match act.decision.incident() {
            Some(incident) => self.about_one(act, incident, arrival),
            None => self.about_all(act, arrival),
        });
        match done {
            Ok(news) => {
                self.acts.note(act.id.clone());
                self.stats.acts += 1;
                news
            }
            Err(fault) => {
                self.stats.acts_unknown += 1;
                self.refuse(act, &fault, arrival);
                self.outputs.push_back(Output::Refused { act: act.id.clone(), why: fault.told() });
                false
            }
        }
    }

    /// Who decided where nobody could answer them, in an ITSM, is told with the incident.
    fn refuse(&mut self, act: &Act, fault: &ActFault, arrival: Timestamp) {
        if people::is_own(&act.via) {
            return;
        }
        // It is told once, also where the incident forgets it, and never carried out when nobody expects it.
        self.acts.note(act.id.clone());
        let Some(incident) = act.decision.incident() else { return };
        let rules = Rules::new(&self.cell, &self.config, &self.standing);
        let now = self.now.max(arrival);
        let around = Around { world: &self.settled, rules, now };
        self.outputs.extend(self.registry.refuse(act, incident, &fault.told(), around));
    }

    fn about_one(
        &mut self,
        act: &Act,
        incident: IncidentId,
        arrival: Timestamp,
    ) -> Result<bool, ActFault> {
        let rules = Rules::new(&self.cell, &self.config, &self.standing);
        let now = self.now.max(arrival);
        let around = Around { world: &self.settled, rules, now };
        let Done { outputs, bond, judged } = self.registry.act(act, incident, around)?;
        self.outputs.extend(outputs);
        if let Some((id, cause, is_cause)) = judged
            && let Some(incident) = self.registry.newest(id)
        {
            let said = (act.id.clone(), arrival);
            self.standing.opinions.note(incident, &cause, is_cause, said);
        }
        let Some(bond) = bond else { return Ok(false) };
        // Not after what is known: time passes for cases by what is told of them.
        let pane = self.config.width.pane_of(arrival.min(self.now));
        self.ring.put_decree(Decree { at: arrival, act: act.id.clone(), bond }, pane);
        Ok(true)
    }

    fn about_all(&mut self, act: &Act, arrival: Timestamp) -> Result<bool, ActFault> {
        let id = act.id.clone();
        let mutes = &mut self.standing.mutes;
        // Panes that wait may be of the time of a mute that is over: they are folded again, and it counts there.
        if self.ring.len() == 0 {
            mutes.forget(self.now.min(arrival));
        }
        match &act.decision {
            Decision::Silence { matchers, starts_at, ends_at } => {
                mutes.silence(id, matchers.clone(), (*starts_at, *ends_at), arrival)?;
            }
            Decision::Maintenance { services, starts_at, ends_at } => {
                mutes.maintain(id, services.clone(), (*starts_at, *ends_at), arrival)?;
            }
            Decision::Inhibit { source, target, equal } => {
                mutes.inhibit(id, (source.clone(), target.clone()), equal.clone(), arrival)?;
            }
            Decision::Expire { target } | Decision::Uninhibit { target } => {
                mutes.end(target, arrival)?;
            }
            _ => return Ok(false),
        }
        self.newest_act = self.newest_act.max(Some(arrival));
        Ok(true)
    }
}
