//! The finite automaton behind the grammar: in which state a byte range ends, for each state it may start in.
//!
//! Which bytes are line ends depends on every quote since the start of the file. A byte range is therefore summed up as
//! a function from start state to end state; functions of ranges that follow each other compose (the idea is that of
//! Mytkowicz, Musuvathi and Schulte, "Data-parallel finite-state machines", ASPLOS 2014). A quote inside an unquoted
//! field being data, most ranges end in the same state whatever they started in, and need not know what came before.

use memchr::memchr_iter;

use super::dialect::Dialect;

/// Where in a record a position is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// The next byte is the first of a record, or of an empty line.
    RecordStart,
    /// The next byte is the first of another field.
    FieldStart,
    /// In a field without quotes, or behind the closing quote.
    Unquoted,
    /// Between quotes.
    Quoted,
    /// Behind a quote that closes the field, unless another follows.
    QuoteInQuoted,
    /// Behind the escape character.
    Escaped,
    /// In a line that is a comment.
    Comment,
}

const STATES: [State; 7] = [
    State::RecordStart,
    State::FieldStart,
    State::Unquoted,
    State::Quoted,
    State::QuoteInQuoted,
    State::Escaped,
    State::Comment,
];

/// Bytes after which states that became equal are looked at once.
const PIECE: usize = 4096;

/// For each state, the state after a byte range that starts in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition([State; 7]);

impl Transition {
    /// The end state for a start state.
    pub fn after(&self, start: State) -> State {
        self.0[start as usize]
    }

    /// The end state, where it is the same for every start state.
    pub fn constant(&self) -> Option<State> {
        self.0.iter().all(|end| *end == self.0[0]).then_some(self.0[0])
    }
}

/// The automaton of a dialect.
#[derive(Clone, Debug)]
pub struct Machine {
    dialect: Dialect,
}

impl Machine {
    /// The automaton of `dialect`.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect }
    }

    /// The transition of no bytes. States that cannot occur in the dialect follow another one, so that they do not
    /// keep a transition from being constant.
    pub fn identity(&self) -> Transition {
        Transition(STATES.map(|state| match state {
            State::Escaped if self.dialect.escape.is_none() => State::RecordStart,
            State::Comment if self.dialect.comment.is_none() => State::RecordStart,
            State::Quoted | State::QuoteInQuoted if self.dialect.quote.is_none() => State::RecordStart,
            other => other,
        }))
    }

    /// Extends `transition` by the bytes that follow.
    pub fn advance(&self, transition: &mut Transition, bytes: &[u8]) {
        let mut ends = transition.0;
        for piece in bytes.chunks(PIECE) {
            let mut known: [Option<State>; 7] = [None; 7];
            for end in &mut ends {
                *end = *known[*end as usize].get_or_insert_with(|| self.run(*end, piece));
            }
        }
        transition.0 = ends;
    }

    /// The state after `bytes`.
    pub fn run(&self, start: State, bytes: &[u8]) -> State {
        if self.dialect.escape.is_some() || self.dialect.comment.is_some() {
            return bytes.iter().fold(start, |state, byte| self.step(state, *byte));
        }
        // Without these, only quotes change what other bytes mean: jump from one to the next.
        let Some(quote) = self.dialect.quote else {
            return self.without_quotes(start, bytes);
        };
        let (mut state, mut from) = (start, 0);
        for at in memchr_iter(quote, bytes) {
            state = self.step(self.without_quotes(state, &bytes[from..at]), quote);
            from = at + 1;
        }
        self.without_quotes(state, &bytes[from..])
    }

    /// The state after bytes of which none is a quote.
    fn without_quotes(&self, start: State, bytes: &[u8]) -> State {
        match (start, bytes.last()) {
            (_, None) | (State::Quoted, _) => start,
            (_, Some(b'\n')) => State::RecordStart,
            (_, Some(last)) if *last == self.dialect.delimiter => State::FieldStart,
            _ => State::Unquoted,
        }
    }

    /// The position in `bytes` behind the end of the record (or line) that the start is in; `None`, with the state
    /// after all of them, where it does not end here.
    pub fn record_end(&self, state: &mut State, bytes: &[u8]) -> Option<usize> {
        for (index, byte) in bytes.iter().enumerate() {
            *state = self.step(*state, *byte);
            if *state == State::RecordStart {
                return Some(index + 1);
            }
        }
        None
    }

    /// The state after one byte. A `\r` needs no state of its own: in front of `\n` it is not in the record, but
    /// neither does it change where the record ends.
    fn step(&self, state: State, byte: u8) -> State {
        let Dialect { delimiter, quote, escape, comment, .. } = self.dialect;
        let is = |special: Option<u8>| special == Some(byte);
        match state {
            State::Quoted if is(quote) => State::QuoteInQuoted,
            State::Quoted if is(escape) => State::Escaped,
            State::Quoted | State::Escaped => State::Quoted,
            State::QuoteInQuoted if is(quote) => State::Quoted,
            State::Comment if byte != b'\n' => State::Comment,
            State::RecordStart if is(comment) => State::Comment,
            State::RecordStart | State::FieldStart if is(quote) => State::Quoted,
            _ if byte == b'\n' => State::RecordStart,
            _ if byte == delimiter => State::FieldStart,
            _ => State::Unquoted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dialects() -> impl Strategy<Value = Dialect> {
        let option = |byte| prop_oneof![Just(None), Just(Some(byte))];
        (option(b'"'), option(b'\\'), option(b'#')).prop_map(|(quote, escape, comment)| Dialect {
            quote,
            escape,
            comment,
            ..Dialect::new(b',')
        })
    }

    proptest! {
        #[test]
        fn jumping_equals_stepping_and_ranges_compose(
            text in "[a\",\n\r#\\\\]{0,60}", cut in 0usize..60, dialect in dialects()
        ) {
            let bytes = text.as_bytes();
            let machine = Machine::new(dialect);
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            let mut whole = machine.identity();
            machine.advance(&mut whole, bytes);
            let mut parts = machine.identity();
            machine.advance(&mut parts, head);
            machine.advance(&mut parts, tail);
            prop_assert_eq!(whole, parts);
            for start in STATES.into_iter().filter(|state| machine.identity().after(*state) == *state) {
                let stepped = bytes.iter().fold(start, |state, byte| machine.step(state, *byte));
                prop_assert_eq!(whole.after(start), stepped);
                prop_assert_eq!(machine.run(start, bytes), stepped);
            }
        }
    }

    #[test]
    fn a_quoted_field_is_enough_to_know_the_state() {
        let machine = Machine::new(Dialect { quote: Some(b'"'), ..Dialect::new(b',') });
        let mut transition = machine.identity();
        machine.advance(&mut transition, b"a,\"b\",c");
        assert_eq!(transition.constant(), Some(State::Unquoted));
        let mut transition = machine.identity();
        machine.advance(&mut transition, b"a,b,c\nd");
        assert_eq!(transition.constant(), None);
    }
}
