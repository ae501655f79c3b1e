//! Texts by number, in small blocks that are shared: a snapshot keeps the texts of its time
//! without a copy of them, while new ones are added behind.

use std::sync::Arc;

use crate::lean::make_room;

/// Texts in one block: few, so that where a text lies is near to the text itself.
const BLOCK: usize = 16;

/// Texts in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    /// All of `BLOCK` texts.
    blocks: Vec<Block>,
    /// The last texts, fewer than `BLOCK`.
    open: Vec<Box<str>>,
}

/// First the number of bytes that an end takes, then where each text ends, counted from the end of
/// the first, then the texts themselves.
#[derive(Clone, Debug)]
struct Block(Arc<[u8]>);

impl Block {
    fn of(texts: &[Box<str>]) -> Self {
        let total: usize = texts.iter().map(|text| text.len()).sum();
        let width = size_of::<usize>() - total.leading_zeros() as usize / 8;
        let mut bytes = Vec::with_capacity(1 + texts.len() * width + total);
        bytes.push(width as u8);
        let mut end = 0;
        for text in texts {
            end += text.len();
            bytes.extend(end.to_le_bytes().into_iter().take(width));
        }
        bytes.extend(texts.iter().flat_map(|text| text.bytes()));
        Self(bytes.into())
    }

    /// Where a text ends, in the block.
    fn end(&self, at: usize, width: usize) -> usize {
        let start = 1 + at * width;
        let bytes = self.0.get(start..start + width).unwrap_or_default();
        let end = bytes.iter().rev().fold(0, |end, byte| (end << 8) | usize::from(*byte));
        1 + BLOCK * width + end
    }

    fn bytes(&self, at: usize) -> Option<&[u8]> {
        let width = usize::from(*self.0.first()?);
        let start = match at.checked_sub(1) {
            Some(before) => self.end(before, width),
            None => 1 + BLOCK * width,
        };
        self.0.get(start..self.end(at, width))
    }
}

impl Texts {
    pub(crate) fn len(&self) -> usize {
        self.blocks.len() * BLOCK + self.open.len()
    }

    /// The text of a number, as bytes; none for a number that was never given out.
    pub(crate) fn bytes(&self, number: u32) -> &[u8] {
        let (block, at) = (number as usize / BLOCK, number as usize % BLOCK);
        let bytes = match self.blocks.get(block) {
            Some(block) => block.bytes(at),
            None if block == self.blocks.len() => self.open.get(at).map(|text| text.as_bytes()),
            None => None,
        };
        bytes.unwrap_or_default()
    }

    /// The text of a number; empty for a number that was never given out.
    pub(crate) fn get(&self, number: u32) -> &str {
        str::from_utf8(self.bytes(number)).unwrap_or_default()
    }

    /// Adds a text.
    pub(crate) fn push(&mut self, text: &str) {
        self.open.push(text.into());
        if self.open.len() == BLOCK {
            make_room(&mut self.blocks, 1);
            self.blocks.push(Block::of(&self.open));
            self.open.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_stays_as_it_was_while_texts_are_added() {
        let (mut texts, mut plain, mut shared) = (Texts::default(), Vec::new(), Vec::new());
        for number in 0..1_000_usize {
            if number % 100 == 0 {
                shared.push((texts.clone(), plain.clone()));
            }
            // Blocks with ends of one byte, of two and of three; some with no text at all.
            let text = match number / BLOCK {
                0 => String::new(),
                1..20 => "é".repeat(number % 4),
                20..40 => "x".repeat(number % 300),
                _ => "long".repeat(number),
            };
            texts.push(&text);
            plain.push(text);
        }
        shared.push((texts, plain));
        for (texts, plain) in shared {
            assert_eq!(texts.len(), plain.len());
            for (number, text) in plain.iter().enumerate() {
                assert_eq!(texts.get(number as u32), text);
                assert_eq!(texts.bytes(number as u32), text.as_bytes());
            }
            assert_eq!(texts.get(plain.len() as u32), "");
        }
    }
}
