//! Union-find over small indices, deterministic: the smallest member stands for its set.

/// Disjoint sets of `0..len`.
#[derive(Clone, Debug)]
pub(super) struct Sets {
    parents: Vec<usize>,
}

impl Sets {
    /// Every member alone.
    pub(super) fn new(len: usize) -> Self {
        Self { parents: (0..len).collect() }
    }

    /// The member that stands for the set of `member`; `member` itself if it is out of range.
    pub(super) fn find(&self, member: usize) -> usize {
        let mut at = member;
        while let Some(&parent) = self.parents.get(at) {
            if parent == at {
                break;
            }
            at = parent;
        }
        at
    }

    /// Makes two sets one. False if they were one already.
    pub(super) fn join(&mut self, a: usize, b: usize) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        let (low, high) = (a.min(b), a.max(b));
        if low == high {
            return false;
        }
        if let Some(parent) = self.parents.get_mut(high) {
            *parent = low;
        }
        true
    }

    /// The sets, by their smallest member, members in order.
    pub(super) fn groups(&self) -> Vec<Vec<usize>> {
        let mut groups: std::collections::BTreeMap<usize, Vec<usize>> = Default::default();
        for member in 0..self.parents.len() {
            groups.entry(self.find(member)).or_default().push(member);
        }
        groups.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_joins_does_not_show() {
        let mut a = Sets::new(5);
        a.join(4, 2);
        a.join(2, 0);
        let mut b = Sets::new(5);
        b.join(0, 2);
        b.join(4, 0);
        assert_eq!(a.groups(), b.groups());
        assert_eq!(a.groups(), vec![vec![0, 2, 4], vec![1], vec![3]]);
    }
}
