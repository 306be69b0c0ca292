//! Groups by one column of texts. A text of at most twelve bytes is its view, which holds length and bytes; longer ones
//! are kept in an arena.

use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::direct::{DirectGroups, index_growth};
use crate::error::{Error, Result};
use crate::functions::aggregate::{vec_growth, vec_memory};

/// The longest text that a view holds itself.
pub(super) const LONGEST_INLINE: usize = 12;

/// The length of the text of a view: its low four bytes.
fn length(view: u128) -> usize {
    view as u32 as usize
}

/// A text that is its view.
#[derive(Clone, Copy)]
struct Short {
    words: [u64; 2],
    group: u32,
}

/// A text in the arena.
#[derive(Clone, Copy)]
struct Long {
    hash: u64,
    start: usize,
    length: u32,
    group: u32,
}

pub(super) struct TextGroups {
    short: HashTable<Short>,
    long: HashTable<Long>,
    arena: Vec<u8>,
    null: Option<u32>,
    hasher: FixedState,
    /// The keys of the batch at hand.
    texts: Option<StringViewArray>,
}

impl Default for TextGroups {
    fn default() -> Self {
        Self {
            short: HashTable::new(),
            long: HashTable::new(),
            arena: Vec::new(),
            null: None,
            hasher: FixedState::with_seed(0x7465_7874),
            texts: None,
        }
    }
}

impl TextGroups {
    /// How many of the rows have long texts, and how many bytes.
    fn long_texts(&self, rows: &Range<usize>) -> (usize, usize) {
        let views = self.texts.as_ref().filter(|texts| !texts.data_buffers().is_empty()).map(|texts| texts.views());
        let lengths = views.and_then(|views| views.get(rows.clone())).unwrap_or_default().iter().map(|&v| length(v));
        lengths.filter(|&length| length > LONGEST_INLINE).fold((0, 0), |(rows, sum), length| (rows + 1, sum + length))
    }
}

impl DirectGroups for TextGroups {
    fn prepare(&mut self, columns: &[ArrayRef], others: &mut Vec<u32>) -> Result<()> {
        others.clear();
        let texts = columns.first().and_then(|column| column.as_string_view_opt());
        self.texts = Some(texts.cloned().ok_or_else(|| Error::internal("a key is no text"))?);
        Ok(())
    }

    fn assign(&mut self, rows: Range<usize>, mut next: u32, groups: &mut Vec<u32>, fresh: &mut Vec<u32>) {
        let Self { short, long, arena, null, hasher, texts } = self;
        let Some(texts) = texts else { return };
        let nulls = texts.nulls().filter(|nulls| nulls.null_count() > 0);
        let mut new_group = |row: usize| {
            fresh.push(row as u32);
            next += 1;
            next - 1
        };
        // Rows of one group often follow one another. No text has the view before the first row: its length is none.
        let mut previous = (u128::MAX, 0);
        groups.extend(rows.clone().zip(&texts.views()[rows]).map(|(row, &view)| {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                return *null.get_or_insert_with(|| new_group(row));
            }
            if view == previous.0 {
                return previous.1;
            }
            let mut state = hasher.build_hasher();
            if length(view) > LONGEST_INLINE {
                let text = texts.value(row).as_bytes();
                state.write(text);
                let hash = state.finish();
                let same = |long: &Long| {
                    long.hash == hash && long.length as usize == text.len() && arena[long.start..].starts_with(text)
                };
                if let Some(known) = long.find(hash, same) {
                    return known.group;
                }
                let added = Long { hash, start: arena.len(), length: view as u32, group: new_group(row) };
                arena.extend_from_slice(text);
                long.insert_unique(hash, added, |long| long.hash);
                return added.group;
            }
            let words = [view as u64, (view >> 64) as u64];
            words.iter().for_each(|&word| state.write_u64(word));
            let hash = state.finish();
            let group = match short.find(hash, |short| short.words == words) {
                Some(known) => known.group,
                None => {
                    let added = Short { words, group: new_group(row) };
                    short.insert_unique(hash, added, |short| {
                        let mut state = hasher.build_hasher();
                        short.words.iter().for_each(|&word| state.write_u64(word));
                        state.finish()
                    });
                    added.group
                }
            };
            previous = (view, group);
            group
        }));
    }

    fn clear(&mut self) {
        self.short = HashTable::new();
        self.long = HashTable::new();
        self.arena = Vec::new();
        self.null = None;
    }

    fn memory(&self) -> usize {
        self.short.allocation_size() + self.long.allocation_size() + vec_memory(&self.arena)
    }

    fn growth(&self, rows: &Range<usize>, new_groups: usize) -> usize {
        let (long, bytes) = self.long_texts(rows);
        index_growth(&self.short, new_groups - long) + index_growth(&self.long, long) + vec_growth(&self.arena, bytes)
    }

    fn key_bytes(&self, rows: &Range<usize>, new_groups: usize) -> usize {
        let (long, bytes) = self.long_texts(rows);
        // Of eight bytes the encoding makes nine, and it fills blocks of up to 32 and a byte.
        (new_groups - long) * (1 + 2 * 9) + bytes / 8 * 9 + long * (9 + 34)
    }
}
