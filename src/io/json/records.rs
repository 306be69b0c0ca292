//! Cuts a range of a file into records: the lines that start in it, or the values of a file that is one array or has them one after
//! another.

use std::ops::Range;
use std::sync::Arc;

use memchr::memchr;

use super::syntax::end_of_value;
use super::table::JsonFile;
use crate::context::CancelToken;
use crate::error::Result;
use crate::io::csv::blocks::Blocks;
use crate::io::csv::pool::BlockPool;

/// The mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// What a cut gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// A record, as a range of the block.
    Record(Range<usize>),
    /// The block holds no further record that is whole.
    NeedsMore,
    /// There is no more.
    Done,
    /// What stands between records is wrong.
    Broken(&'static str),
}

/// Where in a file of values the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// The bracket of an array, or the first value.
    Start,
    /// A value, or the end of the file.
    Value,
    /// The first item of the array, or its end.
    First,
    /// An item.
    Item,
    /// A comma, or the end of the array.
    Comma,
    /// Nothing.
    End,
}

/// The records of a range of a file.
#[derive(Debug)]
pub struct Records {
    pub blocks: Blocks,
    /// `None` where a record is a line.
    expect: Option<Expect>,
    is_aligned: bool,
}

impl Records {
    /// The records that start from `start` to `stop`. Nothing is read yet.
    ///
    /// # Errors
    /// A data error, where the file cannot be opened or changed since the query was planned.
    pub fn new(file: &JsonFile, pool: &Arc<BlockPool>, start: u64, stop: u64) -> Result<Self> {
        // The byte before tells whether a line starts here.
        let from = start.saturating_sub(1);
        let blocks = Blocks::new(file.input.clone(), file.input.open()?, pool.clone(), from, stop)?;
        Ok(Self { blocks, expect: (!file.is_lines).then_some(Expect::Start), is_aligned: start == 0 })
    }

    /// Goes to the first record.
    ///
    /// # Errors
    /// Those of reading, and of being interrupted.
    pub fn align(&mut self, cancel: &CancelToken) -> Result<()> {
        self.blocks.refill()?;
        if self.is_aligned && self.blocks.buffer().starts_with(MARK) {
            self.blocks.set_position(MARK.len());
        }
        while !self.is_aligned {
            let (from, block) = (self.blocks.position(), self.blocks.buffer());
            let newline = memchr(b'\n', &block[from..]);
            let is_all = self.blocks.at_end_of_file();
            self.is_aligned = newline.is_some() || is_all;
            self.blocks.set_position(newline.map_or(block.len(), |at| from + at + 1));
            if !self.is_aligned {
                cancel.check()?;
                self.blocks.refill()?;
            }
        }
        Ok(())
    }

    /// Cuts the next record from the block, which is then used up to its end.
    pub fn next(&mut self) -> Cut {
        match self.expect {
            None => self.next_line(),
            Some(expect) => self.next_value(expect),
        }
    }

    fn next_line(&mut self) -> Cut {
        loop {
            let (from, block) = (self.blocks.position(), self.blocks.buffer());
            if from >= self.blocks.stop_position() {
                return Cut::Done;
            }
            let end = match memchr(b'\n', &block[from..]) {
                Some(at) => from + at,
                None if !self.blocks.at_end_of_file() => return Cut::NeedsMore,
                None if from == block.len() => return Cut::Done,
                None => block.len(),
            };
            let is_empty = block[from..end].trim_ascii().is_empty();
            let next = block.len().min(end + 1);
            self.blocks.set_position(next);
            if !is_empty {
                return Cut::Record(from..end);
            }
        }
    }

    fn next_value(&mut self, mut expect: Expect) -> Cut {
        loop {
            let (position, block) = (self.blocks.position(), self.blocks.buffer());
            let from = position + block[position..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let next = block.get(from).copied();
            self.blocks.set_position(from);
            expect = match (expect, next) {
                (_, None) if !self.blocks.at_end_of_file() => return Cut::NeedsMore,
                (Expect::Start | Expect::Value | Expect::End, None) => return Cut::Done,
                (_, None) => return Cut::Broken("the array of the file is never closed"),
                (Expect::Start, Some(b'[')) => Expect::First,
                (Expect::First | Expect::Comma, Some(b']')) => Expect::End,
                (Expect::Comma, Some(b',')) => Expect::Item,
                (Expect::Comma, Some(_)) => {
                    return Cut::Broken("neither a comma nor a bracket follows an item of the file's array");
                }
                (Expect::End, Some(_)) => return Cut::Broken("something follows the array of the file"),
                (Expect::Start | Expect::Value | Expect::First | Expect::Item, Some(_)) => {
                    return self.value(from, expect);
                }
            };
            self.expect = Some(expect);
            self.blocks.set_position(from + 1);
        }
    }

    /// The value that begins at a position.
    fn value(&mut self, from: usize, expect: Expect) -> Cut {
        self.blocks.set_position(from);
        let block = self.blocks.buffer();
        let end = match end_of_value(&block[from..]) {
            Some(length) => from + length,
            None if !self.blocks.at_end_of_file() => return Cut::NeedsMore,
            None => block.len(),
        };
        self.blocks.set_position(end);
        let is_item = matches!(expect, Expect::First | Expect::Item);
        self.expect = Some(if is_item { Expect::Comma } else { Expect::Value });
        Cut::Record(from..end)
    }
}
