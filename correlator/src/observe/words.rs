//! What spans say apart from their ids and times, each kept once: names by number, and shapes, which
//! are all that is alike in the spans of one operation. A span in the table names its shape.
//!
//! Numbers are of one table and mean nothing elsewhere. The table is made anew from what open traces
//! still refer to when most of it is of traces that are gone.

use model::entity::EntityKind;
use model::id::stable_hash;
use model::name::Name;
use model::signal::SpanKind;
use serde::{Deserialize, Serialize};

use super::index::Index;
use super::limits::OTHER;
use super::trace::Outcome;

/// The number of the name under which everything beyond a bound is counted, in every table.
pub(crate) const OTHER_NUMBER: u32 = 0;
/// Stands for a name that is not there.
pub(crate) const NOBODY: u32 = u32::MAX;

/// A name of a table: told from others by its number, ordered by its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<'a> {
    pub(crate) number: u32,
    pub(crate) name: &'a Name,
}

impl PartialEq for Word<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Word<'_> {}

impl PartialOrd for Word<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Word<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.name.cmp(other.name)
    }
}

/// Names by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    index: Index,
    names: Vec<Name>,
}

impl Names {
    /// The number of a name, which is given one if it has none.
    pub(crate) fn number(&mut self, name: &Name) -> u32 {
        let names = &self.names;
        let is = |at: u32| names.get(at as usize).is_some_and(|known| known == name);
        let key = key_of(name);
        if let Some(known) = self.index.find(key, is) {
            return known;
        }
        // Memory ends long before 2^32 names.
        let number = names.len() as u32;
        self.index.insert(key, number, |at| names.get(at as usize).map_or(0, key_of));
        self.names.push(name.clone());
        number
    }

    pub(crate) fn word(&self, number: u32) -> Option<Word<'_>> {
        self.names.get(number as usize).map(|name| Word { number, name })
    }
}

fn key_of(name: &Name) -> u128 {
    u128::from(stable_hash(&[name.as_bytes()]))
}

/// What is alike in many spans. Names are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub(crate) service: u32,
    /// [`NOBODY`]: not said.
    pub(crate) version: u32,
    pub(crate) operation: u32,
    /// [`NOBODY`]: not said.
    pub(crate) callee: u32,
    pub(crate) callee_kind: EntityKind,
    pub(crate) kind: SpanKind,
    pub(crate) outcome: Outcome,
    /// The upper halves of the start, counted from the trace's first span, and of the duration: nearly
    /// always zero.
    pub(crate) start_high: u32,
    pub(crate) duration_high: u32,
}

impl Shape {
    fn key(&self) -> u128 {
        let pair = |a: u32, b: u32| u64::from(a) << 32 | u64::from(b);
        let small = pair(self.kind as u32, self.outcome as u32) << 8 | self.callee_kind as u64;
        let high = pair(self.start_high, self.duration_high);
        let mixed = small.rotate_left(17) ^ high.rotate_left(41);
        let names = u128::from(pair(self.service, self.operation)) << 64;
        names | u128::from(pair(self.version, self.callee) ^ mixed)
    }
}

/// Shapes by number, with the names that they refer to.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    pub(crate) names: Names,
    shapes: Vec<Shape>,
    index: Index,
    /// Shapes at which it is worth while to look which are still needed.
    sweep_at: usize,
}

/// Fewer shapes than this are never looked through.
const SWEEP_MIN: usize = 4_096;

impl Default for Words {
    fn default() -> Self {
        let mut names = Names::default();
        names.number(&OTHER.into());
        Self { names, shapes: Vec::new(), index: Index::default(), sweep_at: SWEEP_MIN }
    }
}

impl Words {
    /// The number of a shape, which is given one if it has none.
    pub(crate) fn shape(&mut self, shape: Shape) -> u32 {
        let shapes = &self.shapes;
        let key = shape.key();
        if let Some(known) =
            self.index.find(key, |at| shapes.get(at as usize).is_some_and(|known| *known == shape))
        {
            return known;
        }
        // Memory ends long before 2^32 shapes.
        let number = shapes.len() as u32;
        self.index.insert(key, number, |at| shapes.get(at as usize).map_or(0, Shape::key));
        self.shapes.push(shape);
        number
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Shape> {
        self.shapes.get(number as usize)
    }

    /// Whether most shapes may be of traces that are gone.
    pub(crate) const fn is_due(&self) -> bool {
        self.shapes.len() >= self.sweep_at
    }

    /// Makes the table anew from the shapes that are needed. Returns the new numbers by the old ones.
    pub(crate) fn sweep(&mut self, needed: &[bool]) -> Vec<u32> {
        let old = std::mem::take(self);
        let renumbered = old.shapes.iter().enumerate().map(|(at, shape)| {
            if !needed.get(at).copied().unwrap_or(false) {
                return NOBODY;
            }
            let mut name = |number| match old.names.word(number) {
                Some(word) => self.names.number(word.name),
                None => NOBODY,
            };
            let shape = Shape {
                service: name(shape.service),
                version: name(shape.version),
                operation: name(shape.operation),
                callee: name(shape.callee),
                ..*shape
            };
            self.shape(shape)
        });
        let renumbered = renumbered.collect();
        self.sweep_at = (self.shapes.len() * 2).max(SWEEP_MIN);
        renumbered
    }

    /// Shapes and names in the order of their numbers, for a snapshot.
    pub(crate) fn parts(&self) -> (&[Name], &[Shape]) {
        (&self.names.names, &self.shapes)
    }

    /// The reverse of [`Self::parts`].
    pub(crate) fn from_parts(names: &[Name], shapes: &[Shape]) -> Self {
        let mut words = Self::default();
        for name in names {
            words.names.number(name);
        }
        for shape in shapes {
            words.shape(*shape);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(words: &mut Words, operation: &str) -> u32 {
        let shape = Shape {
            service: words.names.number(&"cart".into()),
            version: NOBODY,
            operation: words.names.number(&operation.into()),
            callee: NOBODY,
            callee_kind: EntityKind::Nothing,
            kind: SpanKind::Server,
            outcome: Outcome::Ok,
            start_high: 0,
            duration_high: 0,
        };
        words.shape(shape)
    }

    #[test]
    fn what_is_alike_has_one_number_and_a_sweep_keeps_what_is_needed() {
        let mut words = Words::default();
        let numbers: Vec<u32> = (0..10).map(|i| shape(&mut words, &format!("op{i}"))).collect();
        assert_eq!(shape(&mut words, "op3"), 3);
        let needed: Vec<bool> = numbers.iter().map(|number| number % 3 == 0).collect();
        let renumbered = words.sweep(&needed);
        assert_eq!(renumbered.iter().filter(|number| **number != NOBODY).count(), 4);
        let operation =
            words.get(renumbered[9]).and_then(|shape| words.names.word(shape.operation));
        assert_eq!(operation.map(|word| word.name.as_str()), Some("op9"));
        let (names, shapes) = words.parts();
        assert_eq!((names.len(), shapes.len()), (6, 4), "four operations, the service, the other");
    }
}
