//! Words: what texts have in common, without understanding them.

use std::collections::BTreeSet;

/// Words of one text that are looked at: a diff is bounded, its words are too.
const WORDS_MAX: usize = 4_000;
/// Words that say nothing.
const STOP: [&str; 46] = [
    "the", "and", "for", "with", "from", "that", "this", "not", "are", "was", "has", "have", "fix",
    "add", "added", "update", "updated", "change", "changed", "service", "version", "release",
    "new", "old", "error", "errors", "err", "failed", "failure", "high", "low", "rate", "http",
    "https", "get", "post", "src", "main", "deploy", "deployed", "value", "return", "func",
    "after", "above", "below",
];

/// Lower-case words of a text, split at everything that is no letter or digit and inside camel case.
pub(in crate::correlate) fn words(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut word = String::new();
    let mut was_lower = false;
    for c in text.chars().chain(std::iter::once(' ')) {
        let ends = !c.is_alphanumeric() || (c.is_uppercase() && was_lower);
        if ends && !word.is_empty() {
            let done = std::mem::take(&mut word);
            let number = done.bytes().all(|b| b.is_ascii_digit());
            if done.len() >= 3 && !number && !STOP.contains(&done.as_str()) {
                found.insert(done);
            }
            if found.len() >= WORDS_MAX {
                break;
            }
        }
        was_lower = c.is_lowercase() || c.is_numeric();
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
    }
    found
}

/// A name without what says that it is a service: `searchservice`, `search-svc-1` and `search` are
/// one.
pub(in crate::correlate) fn bare(name: &str) -> String {
    let plain: String =
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let plain = plain.trim_end_matches(|c: char| c.is_ascii_digit());
    let cut = ["service", "server", "svc"].iter().find_map(|end| plain.strip_suffix(end));
    cut.filter(|rest| rest.len() >= 3).unwrap_or(plain).to_owned()
}

/// Whether a text names a service, as a word of its own or inside a compound name.
pub(in crate::correlate) fn mentions(text: &str, service: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    service.len() >= 3 && text.split(|c| !is_part(c)).any(|part| part == service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn camel_case_and_snake_case_are_the_same_words() {
        assert_eq!(words("maxPoolSize=5"), words("max_pool_size: 50"));
    }

    #[test]
    fn a_service_is_known_by_its_bare_name() {
        assert_eq!(
            (bare("searchservice"), bare("search-svc-1")),
            ("search".into(), "search".into())
        );
        assert!(mentions("upstream searchservice returned 500", "searchservice"));
        assert!(!mentions("researchservice", "searchservice"));
    }
}
