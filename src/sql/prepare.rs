//! What is done to the tokens of a statement before the parser sees them: blanks and comments go, `**` becomes `^`,
//! `FROM t WHERE …` gets its `SELECT *`, `E'…'` is text like any other, and what would nest too deep for the stack is refused.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{self, Token, TokenWithSpan, Word};

use super::span::span;
use super::utility::is_summarize;
use crate::error::Span;

/// How many tokens may stand one after another between commas and parentheses, added up over all that they nest in.
/// The parser builds a chain of operators as a tree that is as deep as the chain is long, and freeing a tree recurses.
const MAX_CHAIN: usize = 60_000;

/// The tokens of a statement as the parser wants them.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Without blanks and comments.
    pub(super) tokens: Vec<TokenWithSpan>,
    /// The texts that name files, with their places, which the parser does not keep.
    pub(super) files: Vec<(String, Span)>,
}

/// The statement is too long in one place: where.
#[derive(Debug)]
pub(super) struct TooDeep(pub(super) Option<Span>);

/// What is known of the text since a parenthesis was opened.
#[derive(Default)]
struct Frame {
    /// SELECT was read, its FROM not yet.
    selecting: bool,
    /// WITH was read: a FROM behind a parenthesis may begin a query.
    with: bool,
    /// Tokens since the last comma.
    chain: usize,
    /// The longest chain of a parenthesis within, since the last comma.
    nested: usize,
    /// The longest chain, the nested ones included, up to the last comma.
    longest: usize,
}

impl Frame {
    fn end_chain(&mut self) {
        self.longest = self.longest.max(self.chain + self.nested);
        (self.chain, self.nested) = (0, 0);
    }
}

/// Prepares the tokens of one statement.
pub(super) fn prepare(tokens: Vec<TokenWithSpan>) -> Result<Prepared, TooDeep> {
    let mut input: Vec<TokenWithSpan> = tokens;
    input.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(input.len() + 2);
    let mut files = Vec::new();
    let mut frames = vec![Frame::default()];
    for (index, token) in input.iter().enumerate() {
        let previous = out.last();
        let before = keyword(previous);
        let frame = match &token.token {
            Token::RParen | Token::RBracket | Token::RBrace if frames.len() > 1 => {
                let nested = frames.pop().map_or(0, |mut frame| {
                    frame.end_chain();
                    frame.longest
                });
                let frame = last(&mut frames);
                frame.nested = frame.nested.max(nested);
                frame
            }
            _ => last(&mut frames),
        };
        frame.chain += 1;
        if frame.chain + frame.nested > MAX_CHAIN {
            return Err(TooDeep(span(token.span)));
        }
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => frames.push(Frame::default()),
            Token::Comma => frame.end_chain(),
            // The parser takes these for PostgreSQL alone; both are unescaped by now.
            Token::EscapedStringLiteral(text) | Token::UnicodeStringLiteral(text) => {
                out.push(TokenWithSpan::new(Token::SingleQuotedString(text.clone()), token.span));
                continue;
            }
            Token::SingleQuotedString(text)
                if matches!(before, Keyword::FROM | Keyword::COPY | Keyword::DESCRIBE | Keyword::DESC)
                    || summarizes(&out) =>
            {
                files.extend(span(token.span).map(|span| (text.clone(), span)));
            }
            Token::Mul if previous.is_some_and(|p| p.token == Token::Mul && p.span.end == token.span.start) => {
                let first = out.pop().map_or(token.span, |first| first.span);
                out.push(TokenWithSpan::new(Token::Caret, first.union(&token.span)));
                continue;
            }
            // PostgreSQL's `x ISNULL`, which the parser would take for an alias.
            Token::Word(word)
                if word.quote_style.is_none()
                    && word.value.eq_ignore_ascii_case("isnull")
                    && previous.is_some_and(|previous| ends_operand(&previous.token)) =>
            {
                out.push(word_token("IS", Keyword::IS, token.span));
                out.push(word_token("NULL", Keyword::NULL, token.span));
                continue;
            }
            Token::Word(word) => match word.keyword {
                Keyword::SELECT => frame.selecting = true,
                Keyword::WITH => frame.with = true,
                // `TRIM(LEADING FROM x)` means blanks.
                Keyword::FROM if matches!(before, Keyword::LEADING | Keyword::TRAILING | Keyword::BOTH) => {
                    out.push(TokenWithSpan::new(Token::SingleQuotedString(" ".into()), token.span));
                }
                Keyword::FROM if frame.selecting => frame.selecting = before == Keyword::DISTINCT,
                Keyword::FROM => {
                    let begins = match previous.map(|previous| &previous.token) {
                        None | Some(Token::LParen) => true,
                        Some(Token::RParen) => frame.with,
                        _ if summarizes(&out) => true,
                        _ => matches!(
                            before,
                            Keyword::UNION
                                | Keyword::ALL
                                | Keyword::AS
                                | Keyword::EXPLAIN
                                | Keyword::ANALYZE
                                | Keyword::DESCRIBE
                                | Keyword::DESC
                        ),
                    };
                    if begins && !selects(input.get(index + 1..).unwrap_or_default()) {
                        out.push(word_token("SELECT", Keyword::SELECT, token.span));
                        out.push(TokenWithSpan::new(Token::Mul, token.span));
                    }
                }
                _ => {}
            },
            _ => {}
        }
        out.push(token.clone());
    }
    while let Some(mut frame) = frames.pop() {
        frame.end_chain();
        match frames.last_mut() {
            Some(outer) => outer.nested = outer.nested.max(frame.longest),
            None if frame.longest > MAX_CHAIN => return Err(TooDeep(input.first().and_then(|token| span(token.span)))),
            None => {}
        }
    }
    Ok(Prepared { tokens: out, files })
}

/// Whether the statement so far is SUMMARIZE alone.
fn summarizes(tokens: &[TokenWithSpan]) -> bool {
    matches!(tokens, [only] if matches!(&only.token, Token::Word(word) if is_summarize(word)))
}

/// Whether an operand can end with the token.
fn ends_operand(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.keyword == Keyword::NoKeyword,
        Token::RParen | Token::Number(_, _) | Token::SingleQuotedString(_) => true,
        _ => false,
    }
}

/// The innermost frame. The outermost one is never taken away.
fn last(frames: &mut Vec<Frame>) -> &mut Frame {
    if frames.is_empty() {
        frames.push(Frame::default());
    }
    let index = frames.len() - 1;
    &mut frames[index]
}

fn keyword(token: Option<&TokenWithSpan>) -> Keyword {
    match token.map(|token| &token.token) {
        Some(Token::Word(word)) => word.keyword,
        _ => Keyword::NoKeyword,
    }
}

fn word_token(value: &str, keyword: Keyword, span: tokenizer::Span) -> TokenWithSpan {
    TokenWithSpan::new(Token::Word(Word { value: value.into(), quote_style: None, keyword }), span)
}

/// Whether the query that these tokens go on with has a SELECT of its own behind its FROM.
fn selects(rest: &[TokenWithSpan]) -> bool {
    let mut depth = 0usize;
    for token in rest {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return false,
            Token::RParen => depth -= 1,
            Token::Word(word) if depth == 0 => match word.keyword {
                Keyword::SELECT => return true,
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT => return false,
                _ => {}
            },
            _ => {}
        }
    }
    false
}
