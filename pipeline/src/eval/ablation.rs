//! Ablation: the same engine without one of its parts. What the figures lose is what the part is worth.

use model::hypothesis::EvidenceTerm;
use serde_json::Value;

use crate::stages::settings::Settings;

/// A part that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A term of the sum that ranks causes.
    Term(EvidenceTerm),
    /// That nothing is learned while a service behaves abnormally.
    Quarantine,
}

/// How the quarantine is called on the command line.
const QUARANTINE: &str = "quarantine";

impl Part {
    /// Reads a part's name: a term as it stands in incidents, or the quarantine.
    ///
    /// # Errors
    /// Names what there is, when there is none of that name.
    pub fn parse(name: &str) -> Result<Self, String> {
        if name == QUARANTINE {
            return Ok(Self::Quarantine);
        }
        let term = serde_json::from_value(Value::from(name));
        term.map(Self::Term).map_err(|error| format!("{error}; or `{QUARANTINE}`"))
    }

    /// Leaves it out of an engine.
    pub fn leave_out(self, settings: &mut Settings) {
        match self {
            Self::Term(term) => settings.correlate.ranking.without.push(term),
            Self::Quarantine => settings.detect.accept_panes = 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_goes_by_the_name_of_its_term_and_an_unknown_one_is_told_what_there_is() {
        assert_eq!(Part::parse("log_path"), Ok(Part::Term(EvidenceTerm::LogPath)));
        assert_eq!(Part::parse("quarantine"), Ok(Part::Quarantine));
        let told = Part::parse("logs").expect_err("no such term");
        assert!(told.contains("log_path") && told.contains("quarantine"), "{told}");
    }
}
