//! Which node a name means: ids, names and aliases of items, members of a service, pod names and
//! qualified forms all lead to the service that we reason about.
//!
//! The name of a node is the one that telemetry uses for it, so that what people declared and what
//! spans show meet; without telemetry it is the item's name where that is its alone, else its id.

use model::entity::EntityKind;
use model::map::{ItemKind, RelationKind};
use model::name::Name;

use crate::called::Called;
use crate::declared::{Declared, Rank};
use crate::learned::Learned;
use crate::names::Sym;

/// Steps from a pod to its service: pod, replica set, deployment, service and some to spare.
const MEMBERSHIP_HOPS_MAX: usize = 8;

/// Whether an item is spoken of by another word than its id, whether it is a grouping, by which word, what it is.
pub(crate) type Claim = (bool, bool, Rank, ItemKind);

/// Where a chain of `part_of` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// An item.
    Item(Sym),
    /// A name that no item has introduced.
    Unknown(Sym),
}

/// Answers questions about names from both halves of the map.
#[derive(Clone, Copy)]
pub(crate) struct Resolver<'a> {
    pub(crate) declared: &'a Declared,
    pub(crate) learned: &'a Learned,
}

impl<'a> Resolver<'a> {
    /// The node that any name means: exactly, then in another case, then as a qualified name, then
    /// as the name of a pod.
    pub(crate) fn bind(&self, name: &str) -> Option<Name> {
        let node = self
            .known(name)
            .or_else(|| qualified_forms(name).find_map(|form| self.known(form)))
            .or_else(|| pod_bases(name).find_map(|base| self.known(base)));
        node.map(Called::to_name)
    }

    /// The item that a name means, with nothing stripped from it.
    pub(crate) fn item_of(&self, name: &str) -> Option<Sym> {
        let names = &self.declared.names;
        names.get(name).and_then(|sym| self.best_item(sym)).or_else(|| {
            let folded = names.folded(name).filter_map(|sym| self.best_item(sym));
            folded.min_by_key(|&item| names.text(item))
        })
    }

    /// The item that an end of a relation means: by its id, or else as it is spoken of.
    pub(crate) fn end(&self, end: Sym) -> Option<Sym> {
        if self.declared.item(end).is_some() {
            return Some(end);
        }
        self.item_of(self.declared.names.text(end))
    }

    /// All texts by which ends of relations mean an item.
    pub(crate) fn words_of(&self, id: Sym) -> Vec<Sym> {
        let Some(item) = self.declared.item(id) else { return vec![id] };
        let names = &self.declared.names;
        let words = [id, item.name].into_iter().chain(item.aliases.iter().copied());
        let mut words: Vec<Sym> = words.flat_map(|word| names.folded(names.text(word))).collect();
        words.sort_unstable();
        words.dedup();
        words.retain(|&word| self.end(word) == Some(id));
        words
    }

    /// Several items may share a word. An id means its item, always: so every item has a word of
    /// its own. Then what can fail goes before groupings, a name before an alias, a service before
    /// its parts, the smaller id before the greater.
    fn best_item(&self, word: Sym) -> Option<Sym> {
        let names = &self.declared.names;
        let candidates = self.candidates(word).map(|(claim, id)| (claim, names.text(id), id));
        candidates.min().map(|(.., id)| id)
    }

    /// The items that share a word, with their claim to it: the least is the best.
    pub(crate) fn candidates(&self, word: Sym) -> impl Iterator<Item = (Claim, Sym)> {
        self.declared.meant_by(word).filter_map(|(rank, id)| {
            let kind = self.declared.item(id)?.kind;
            Some(((rank > 0, kind == ItemKind::Other, rank, kind), id))
        })
    }

    fn known(&self, name: &str) -> Option<Called<'a>> {
        match self.item_of(name) {
            Some(item) => Some(self.root_name(self.root(item))),
            None => self.seen(name).or_else(|| self.whole(name)),
        }
    }

    fn text(&self, sym: Sym) -> Called<'a> {
        Called::Text(sym, self.declared.names.text(sym))
    }

    /// A name of which nothing is known but that something is part of it.
    fn whole(&self, name: &str) -> Option<Called<'a>> {
        let word = self.declared.names.get(name)?;
        self.declared.origins(word, RelationKind::PartOf).next().map(|_| self.text(word))
    }

    /// A name that only telemetry knows.
    fn seen(&self, name: &str) -> Option<Called<'a>> {
        let name = self.learned.name(name).or_else(|| self.learned.name_folded(name))?;
        Some(self.peer_behind(name).unwrap_or(Called::Seen(name)))
    }

    /// Peers are often seen under the address of a service that we know: `payment:8080` or
    /// `payment.shop.svc.cluster.local`. Looser forms may be foreign hosts, so they don't count.
    fn peer_behind(&self, name: &Name) -> Option<Called<'a>> {
        let kind = self.learned.node(name)?.kind;
        if kind == EntityKind::Service {
            return None;
        }
        let host = without_port(name);
        let form = cluster_service(host).unwrap_or(host);
        if form == &**name {
            return None;
        }
        self.item_of(form)
            .map(|item| self.root_name(self.root(item)))
            .or_else(|| self.learned.name(form).map(Called::Seen))
    }

    /// The node of a name that telemetry used.
    pub(crate) fn node_of_seen(&self, name: &'a Name) -> Called<'a> {
        self.known(name).unwrap_or(Called::Seen(name))
    }

    /// Follows `part_of` from a pod or workload to the service it is part of.
    pub(crate) fn root(&self, item: Sym) -> Root {
        let mut at = item;
        for _ in 0..MEMBERSHIP_HOPS_MAX {
            let kind = self.declared.item(at).map(|item| item.kind);
            if !matches!(kind, Some(ItemKind::Instance | ItemKind::Workload)) {
                return Root::Item(at);
            }
            match self.whole_of(at) {
                Some(Root::Item(whole)) => at = whole,
                Some(unknown) => return unknown,
                None => return Root::Item(at),
            }
        }
        Root::Item(at)
    }

    /// What an item is part of: a known service first, groupings never.
    fn whole_of(&self, part: Sym) -> Option<Root> {
        let names = &self.declared.names;
        let wholes = self.declared.targets(part, RelationKind::PartOf).filter_map(|target| {
            let Some(item) = self.end(target) else {
                return Some((u8::MAX, names.text(target), Root::Unknown(target)));
            };
            let preference = match self.declared.item(item)?.kind {
                ItemKind::Service => 0,
                ItemKind::Database | ItemKind::Messaging | ItemKind::External => 1,
                ItemKind::Workload => 2,
                ItemKind::Instance => 3,
                ItemKind::Host | ItemKind::Other => return None,
            };
            (item != part).then(|| (preference, names.text(item), Root::Item(item)))
        });
        wholes.min_by_key(|&(preference, text, _)| (preference, text)).map(|(.., root)| root)
    }

    /// The name of the node that a root stands for.
    pub(crate) fn root_name(&self, root: Root) -> Called<'a> {
        match root {
            Root::Item(item) => self.canonical(item),
            Root::Unknown(name) => {
                self.seen(self.declared.names.text(name)).unwrap_or_else(|| self.text(name))
            }
        }
    }

    fn canonical(&self, id: Sym) -> Called<'a> {
        let names = &self.declared.names;
        let Some(item) = self.declared.item(id) else { return self.text(id) };
        let words = || [id, item.name].into_iter().chain(item.aliases.iter().copied());
        let own = |word: &Sym| self.best_item(*word) == Some(id);
        let seen = words().filter(own).find_map(|word| self.learned.name(names.text(word)));
        let seen = seen.or_else(|| {
            let folded = words().filter(own).map(|word| names.text(word));
            let mut folded = folded.filter_map(|word| self.learned.name_folded(word));
            folded.find(|seen| self.item_of(seen) == Some(id))
        });
        match seen {
            Some(seen) => Called::Seen(seen),
            None if own(&item.name) => self.text(item.name),
            None => self.text(id),
        }
    }
}

/// What a qualified name may stand for, the most specific form first: `payment:8080`,
/// `shop/payment`, `component:default/payment`, `payment.shop`, `payment.shop.svc.cluster.local`.
fn qualified_forms(name: &str) -> impl Iterator<Item = &str> {
    let host = without_port(name);
    let path = host.rsplit_once('/').map(|(_, last)| last).filter(|last| !last.is_empty());
    let base = path.unwrap_or(host);
    let two_labels = base.split_once('.').filter(|(_, rest)| !rest.contains('.'));
    let label = cluster_service(base).or(two_labels.map(|(first, _)| first));
    [Some(host), path, label].into_iter().flatten().filter(move |form| *form != name)
}

/// Without a trailing `:port`.
fn without_port(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((host, port))
            if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            host
        }
        _ => name,
    }
}

/// The service of a Kubernetes address `service.namespace.svc[.domain]`.
fn cluster_service(host: &str) -> Option<&str> {
    let mut labels = host.split('.');
    let (service, _namespace, svc) = (labels.next()?, labels.next()?, labels.next()?);
    (svc == "svc").then_some(service)
}

/// What a pod name may belong to: a deployment's `base-<hash>-<id>`, a daemon set's `base-<id>`, a
/// stateful set's `base-<ordinal>`.
fn pod_bases(name: &str) -> impl Iterator<Item = &str> {
    let name = name.rsplit_once('/').map_or(name, |(_, last)| last);
    let last = name.rsplit_once('-');
    let deployment = last
        .filter(|(_, id)| id.len() == 5 && (is_generated(id) || is_hex(id)))
        .and_then(|(rest, _)| rest.rsplit_once('-'))
        .filter(|(_, hash)| (5..=10).contains(&hash.len()) && is_generated(hash))
        .map(|(base, _)| base);
    let has_digit = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
    let is_ordinal = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let single = last
        // Without a hash before it a short word may be a word: `cart-https` is no pod of `cart`.
        .filter(|(_, id)| {
            is_ordinal(id) || ((5..=10).contains(&id.len()) && is_generated(id) && has_digit(id))
        })
        .map(|(base, _)| base);
    [deployment, single].into_iter().flatten().filter(|base| !base.is_empty())
}

/// Whether a part of a name looks generated: in the alphabet of Kubernetes, which has no vowels
/// and no digits that look like them (`k8s.io/apimachinery/pkg/util/rand`), or hexadecimal with a
/// digit.
fn is_generated(text: &str) -> bool {
    let all = |alphabet: &str| text.bytes().all(|byte| alphabet.as_bytes().contains(&byte));
    all("bcdfghjklmnpqrstvwxz2456789")
        || (is_hex(text) && text.bytes().any(|byte| byte.is_ascii_digit()))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pod_names_give_the_workload_they_were_made_by() {
        let bases = |name: &'static str| pod_bases(name).collect::<Vec<_>>();
        assert_eq!(bases("checkout-7d9f8b6c5d-x2x4z"), ["checkout", "checkout-7d9f8b6c5d"]);
        assert_eq!(bases("shop/kafka-0"), ["kafka"]);
        assert_eq!(bases("node-exporter-k8x2p"), ["node-exporter"]);
        assert_eq!(bases("cart-redis"), Vec::<&str>::new(), "a word, not an id");
        assert_eq!(bases("cart-https"), Vec::<&str>::new(), "no digit");
        assert_eq!(bases("checkout"), Vec::<&str>::new());
        assert_eq!(bases("-0"), Vec::<&str>::new());
    }

    #[test]
    fn qualified_names_lose_port_namespace_and_domain() {
        let forms = |name: &'static str| qualified_forms(name).collect::<Vec<_>>();
        assert_eq!(forms("payment:8080"), ["payment"]);
        assert_eq!(forms("component:default/payment"), ["payment"]);
        assert_eq!(
            forms("payment.shop.svc.cluster.local:80"),
            ["payment.shop.svc.cluster.local", "payment"]
        );
        assert_eq!(forms("payment.shop"), ["payment"]);
        assert_eq!(forms("api.payment.example.com"), Vec::<&str>::new(), "a foreign host");
    }
}
