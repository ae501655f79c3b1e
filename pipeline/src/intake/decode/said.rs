//! Labels that come again as a whole: what a rule says to explain itself, it says with each of its alerts. They are
//! known by their text as it stands, so that they are neither read nor held twice. A bounded cache, never a source
//! of truth.

use model::alert::Labels;

use super::json::cursor::Cursor;

/// Places of the cache.
const PLACES: u64 = 256;
/// What is longer is not kept. Unit: bytes.
const TEXT_BYTES_MAX: usize = 4_096;

/// At each place the newest labels that were to be kept there, with the JSON that they were read from.
#[derive(Debug)]
pub(crate) struct Said(Vec<(Box<[u8]>, Labels)>);

impl Default for Said {
    fn default() -> Self {
        Self((0..PLACES).map(|_| (Box::default(), Labels::default())).collect())
    }
}

impl Said {
    /// What is kept at a place, if its text is what comes next; steps over it. An object or a list ends where its
    /// text ends, so nothing longer begins with it.
    pub(crate) fn again(&self, place: u64, at: &mut Cursor<'_>) -> Option<Labels> {
        let (text, labels) = self.0.get((place % PLACES) as usize)?;
        (!text.is_empty() && at.starts_with(text)).then(|| labels.clone())
    }

    /// Keeps labels at a place with the object or list that they were read from.
    pub(crate) fn keep(&mut self, place: u64, text: &[u8], labels: &Labels) {
        if text.len() > TEXT_BYTES_MAX {
            return;
        }
        if let Some(kept) = self.0.get_mut((place % PLACES) as usize) {
            *kept = (text.into(), labels.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_text_at_the_same_place_is_known_again() {
        let mut said = Said::default();
        let labels = Labels::new(vec![("a".into(), "b".into())]);
        let text = r#"{"a":"b"}"#;
        said.keep(7, text.as_bytes(), &labels);
        let again = |place, text: &'static str| {
            let mut at = Cursor::new(text);
            (said.again(place, &mut at), at.is_at_end())
        };
        assert_eq!(again(7, r#" {"a":"b"}"#), (Some(labels.clone()), true));
        assert_eq!(again(7, r#"{"a":"b"},"#), (Some(labels), false));
        assert_eq!(again(7, r#"{"a":"c"}"#), (None, false));
        assert_eq!(again(8, text), (None, false));
    }

    #[test]
    fn long_texts_are_not_kept() {
        let mut said = Said::default();
        let text = format!("[\"{}\"]", "x".repeat(TEXT_BYTES_MAX));
        said.keep(0, text.as_bytes(), &Labels::default());
        assert_eq!(said.again(0, &mut Cursor::new(&text)), None);
    }
}
