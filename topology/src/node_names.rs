//! What the nodes of a snapshot are called: no texts of their own, only where they are held.

use std::cmp::Ordering;

use model::name::Name;

use crate::called::Called;
use crate::packed::Packed;
use crate::reconcile::Node;
use crate::texts::Texts;

/// Names of nodes, by number.
#[derive(Debug, Default)]
pub(crate) struct NodeNames {
    /// The declared half's, as they were.
    texts: Texts,
    /// Names that telemetry showed, shared with the learned half.
    seen: Vec<Name>,
    /// For each node twice the number of its text, or twice that of its seen name plus one.
    held: Packed,
}

impl NodeNames {
    /// Those of nodes whose declared names are numbers of `texts`.
    pub(crate) fn new(texts: &Texts, nodes: &[Node<'_>]) -> Self {
        let mut seen = Vec::new();
        let held: Vec<u32> = nodes
            .iter()
            .map(|node| match node.name {
                Called::Text(sym, _) => sym * 2,
                Called::Seen(name) => {
                    seen.push(name.clone());
                    (seen.len() as u32 - 1) * 2 + 1
                }
            })
            .collect();
        seen.shrink_to_fit();
        let most = held.iter().copied().max().unwrap_or_default();
        Self { texts: texts.clone(), seen, held: Packed::of(held.into_iter(), most) }
    }

    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn get(&self, node: u32) -> Option<Called<'_>> {
        let held = self.held.get(node as usize)?;
        let number = held / 2;
        if held % 2 == 0 {
            Some(Called::Text(number, self.texts.get(number)))
        } else {
            self.seen.get(number as usize).map(Called::Seen)
        }
    }

    /// The node with a name. Names rise with their numbers.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        let (mut low, mut high) = (0, self.len() as u32);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle)?.as_str().cmp(name) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Some(middle),
                Ordering::Greater => high = middle,
            }
        }
        None
    }
}
