//! What a bench says: a table for people, one JSON object for machines.

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::figures::short;
use crate::machine::Machine;
use crate::pairs::{Pairs, Plan};

/// The quality of the same run: a speed counts only together with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quality {
    /// Faults of the generator that an incident names first.
    pub(crate) found: usize,
    /// Faults of the generator.
    pub(crate) faults: usize,
}

/// The findings of one bench.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Report {
    /// Name of the bench.
    pub(crate) bench: &'static str,
    /// What A is.
    pub(crate) a_is: &'static str,
    /// What B is.
    pub(crate) b_is: &'static str,
    /// Unit of both.
    pub(crate) unit: &'static str,
    /// How it was run.
    pub(crate) plan: Plan,
    /// What came out.
    pub(crate) pairs: Pairs,
    /// Faults found, where the bench judges at all.
    pub(crate) quality: Option<Quality>,
    /// Further figures: name and unit in one word, as in `build_ms`.
    pub(crate) extras: Vec<(String, f64)>,
}

impl Report {
    /// A plain table.
    pub(crate) fn table(&self, machine: &Machine) -> String {
        let Pairs { ratio, a, b, .. } = self.pairs;
        let mut text = format!(
            "{} at {}, seed {}, {} pairs, {} ({} cores, load {})\n",
            self.bench,
            machine.commit,
            self.plan.seed,
            self.plan.pairs,
            machine.processor,
            machine.cores,
            short(machine.load)
        );
        let mut row = |name: &str, figures: [String; 3], unit: &str| {
            let [median, least, most] = figures;
            // Writing into a string cannot fail.
            text.push_str(&format!("  {name:<44} {median:>9}  {least:>9} ..{most:>9}  {unit}\n"));
        };
        let of = |spread: crate::figures::Spread| {
            [short(spread.median), short(spread.least), short(spread.most)]
        };
        row(&format!("A: {}", self.a_is), of(a), self.unit);
        row(&format!("B: {}", self.b_is), of(b), self.unit);
        row("A / B", of(ratio), "");
        for (name, figure) in &self.extras {
            text.push_str(&format!("  {name:<44} {:>9}\n", short(*figure)));
        }
        if let Some(quality) = self.quality {
            text.push_str(&format!("  faults found {} of {}\n", quality.found, quality.faults));
        }
        text
    }

    /// One object on one line.
    pub(crate) fn json(&self, machine: &Machine) -> Result<String> {
        let Pairs { ratio, a, b, .. } = self.pairs;
        let mut object: Map<String, Value> = Map::new();
        let fields = [
            ("bench", json!(self.bench)),
            ("ratio", json!(ratio.median)),
            ("ratio_min", json!(ratio.least)),
            ("ratio_max", json!(ratio.most)),
            ("a", json!(a.median)),
            ("b", json!(b.median)),
            ("unit", json!(self.unit)),
            ("a_is", json!(self.a_is)),
            ("b_is", json!(self.b_is)),
            ("commit", json!(machine.commit)),
            ("processor", json!(machine.processor)),
            ("cores", json!(machine.cores)),
            ("load", json!(machine.load)),
            ("pairs", json!(self.plan.pairs)),
            ("seed", json!(self.plan.seed)),
            ("found", json!(self.quality.map(|quality| quality.found))),
            ("faults", json!(self.quality.map(|quality| quality.faults))),
        ];
        let extras = self.extras.iter().map(|(name, figure)| (name.as_str(), json!(figure)));
        object.extend(fields.into_iter().chain(extras).map(|(name, v)| (name.to_owned(), v)));
        Ok(serde_json::to_string(&object)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_has_the_agreed_fields() {
        let report = Report {
            bench: "growth",
            a_is: "large",
            b_is: "small",
            unit: "ns/query",
            plan: Plan { pairs: 7, seed: 1 },
            pairs: Pairs::default(),
            quality: Some(Quality { found: 1, faults: 2 }),
            extras: vec![("build_ms".to_owned(), 12.5)],
        };
        let line = report.json(&Machine::default()).unwrap();
        let object: Value = serde_json::from_str(&line).unwrap();
        for field in [
            "bench",
            "ratio",
            "ratio_min",
            "ratio_max",
            "a",
            "b",
            "unit",
            "commit",
            "seed",
            "found",
            "faults",
            "build_ms",
        ] {
            assert!(object.get(field).is_some(), "{field}");
        }
        assert!(!line.contains('\n'));
    }
}
