//! The syntax of JSON (RFC 8259): finds the values of an object, and checks all of it. Nothing is copied.
//!
//! Beyond the standard, `NaN`, `Infinity` and `-Infinity` are numbers, as Python writes and reads them.

/// Objects and arrays within each other.
const DEEPEST: usize = 200;

/// What a value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// `null`, or not there.
    #[default]
    Null,
    True,
    False,
    Number,
    /// A text; the value is what stands between the quotes.
    Text,
    /// A text with escapes.
    Escaped,
    Array,
    Object,
}

/// A value, as a range of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Value {
    pub kind: Kind,
    start: u32,
    end: u32,
}

impl Value {
    fn new(kind: Kind, start: usize, end: usize) -> Self {
        // Records are shorter than 2^29 bytes, and blocks than 2^32.
        Self { kind, start: start as u32, end: end as u32 }
    }

    /// The same in a text that has so many more bytes in front.
    #[must_use]
    pub fn behind(self, bytes: usize) -> Self {
        Self::new(self.kind, self.start as usize + bytes, self.end as usize + bytes)
    }

    /// Where it begins.
    pub fn start(self) -> usize {
        self.start as usize
    }

    /// Its raw text.
    pub fn raw(self, text: &[u8]) -> &[u8] {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The text of a scalar, put together in `scratch` where it has escapes; `None` for null, arrays and objects.
    pub fn scalar<'a>(self, text: &'a [u8], scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        match self.kind {
            Kind::Null | Kind::Array | Kind::Object => None,
            Kind::True => Some(b"true"),
            Kind::False => Some(b"false"),
            Kind::Number | Kind::Text => Some(self.raw(text)),
            Kind::Escaped => {
                scratch.clear();
                unescape(self.raw(text), scratch);
                Some(scratch)
            }
        }
    }
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In words.
    pub what: &'static str,
    /// Whether the text ends too early.
    pub is_cut_off: bool,
}

type Result<T> = std::result::Result<T, Fault>;

fn fault<T>(what: &'static str) -> Result<T> {
    Err(Fault { what, is_cut_off: false })
}

/// Calls `each` with the keys and values of the one object that a text is.
pub fn object(text: &[u8], each: &mut dyn FnMut(Value, Value) -> Result<()>) -> Result<()> {
    let mut parser = Parser { text, at: 0 };
    parser.blanks();
    if parser.peek() != Some(b'{') {
        return if parser.peek().is_none() { parser.cut_off() } else { fault("not a JSON object") };
    }
    parser.members(1, each)?;
    parser.blanks();
    if parser.at < text.len() { fault("not JSON: something follows the object") } else { Ok(()) }
}

/// Calls `each` with the items of an array that was checked before.
pub fn items(text: &[u8], mut each: impl FnMut(Value)) {
    let mut parser = Parser { text, at: 0 };
    // Nothing can be wrong with it.
    let _ = parser.elements(1, &mut |value| {
        each(value);
        Ok(())
    });
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline]
    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn cut_off<T>(&self) -> Result<T> {
        Err(Fault { what: "not JSON: it ends too early", is_cut_off: true })
    }

    /// The byte that must be next.
    #[inline]
    fn expect(&mut self, byte: u8, what: &'static str) -> Result<()> {
        match self.peek() {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            Some(_) => fault(what),
            None => self.cut_off(),
        }
    }

    /// An object, at its brace.
    fn members(&mut self, depth: usize, each: &mut dyn FnMut(Value, Value) -> Result<()>) -> Result<()> {
        self.at += 1;
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blanks();
            self.expect(b'"', "not JSON: a key in double quotes is missing")?;
            let key = self.text()?;
            self.blanks();
            self.expect(b':', "not JSON: no colon follows a key")?;
            self.blanks();
            let value = self.value(depth)?;
            each(key, value)?;
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(_) => return fault("not JSON: neither a comma nor a brace follows a value"),
                None => return self.cut_off(),
            }
        }
    }

    /// An array, at its bracket.
    fn elements(&mut self, depth: usize, each: &mut dyn FnMut(Value) -> Result<()>) -> Result<()> {
        self.at += 1;
        self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blanks();
            let value = self.value(depth)?;
            each(value)?;
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(_) => return fault("not JSON: neither a comma nor a bracket follows an item"),
                None => return self.cut_off(),
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'"') => {
                self.at += 1;
                return self.text();
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'{' | b'[') if depth >= DEEPEST => return fault("nested too deeply"),
            Some(b'{') => {
                self.members(depth + 1, &mut |_, _| Ok(()))?;
                Kind::Object
            }
            Some(b'[') => {
                self.elements(depth + 1, &mut |_| Ok(()))?;
                Kind::Array
            }
            Some(b't') => self.word(b"true", Kind::True)?,
            Some(b'f') => self.word(b"false", Kind::False)?,
            Some(b'n') => self.word(b"null", Kind::Null)?,
            Some(b'N') => self.word(b"NaN", Kind::Number)?,
            Some(b'I') => self.word(b"Infinity", Kind::Number)?,
            Some(_) => return fault("not JSON: a value is missing"),
            None => return self.cut_off(),
        };
        Ok(Value::new(kind, start, self.at))
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<Kind> {
        let rest = &self.text[self.at..];
        if rest.starts_with(word) {
            self.at += word.len();
            Ok(kind)
        } else if word.starts_with(rest) {
            self.cut_off()
        } else {
            fault("not JSON: a word is none of true, false and null")
        }
    }

    fn number(&mut self) -> Result<Kind> {
        const WRONG: &str = "not JSON: a number is not well formed";
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'I') => return self.word(b"Infinity", Kind::Number),
            Some(b'0') => self.at += 1,
            _ => self.digits(WRONG)?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits(WRONG)?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits(WRONG)?;
        }
        if matches!(self.peek(), Some(b'0'..=b'9')) { fault(WRONG) } else { Ok(Kind::Number) }
    }

    fn digits(&mut self, wrong: &'static str) -> Result<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        match self.at > start {
            true => Ok(()),
            false if self.peek().is_none() => self.cut_off(),
            false => fault(wrong),
        }
    }

    /// A text, behind its first quote.
    fn text(&mut self) -> Result<Value> {
        let start = self.at;
        let mut kind = Kind::Text;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Value::new(kind, start, self.at - 1));
                }
                Some(b'\\') => {
                    kind = Kind::Escaped;
                    self.at += 1;
                    self.escape()?;
                }
                Some(0..0x20) => return fault("not JSON: a control character in a text is not escaped"),
                Some(_) => self.at += 1,
                None => return self.cut_off(),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<()> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                self.at += 1;
                match self.unit()? {
                    0xd800..0xdc00 => {
                        const HALF: &str = "not JSON: half of a character (\\ud800 to \\udfff) stands alone";
                        self.expect(b'\\', HALF)?;
                        self.expect(b'u', HALF)?;
                        if (0xdc00..0xe000).contains(&self.unit()?) { Ok(()) } else { fault(HALF) }
                    }
                    0xdc00..0xe000 => fault("not JSON: half of a character (\\ud800 to \\udfff) stands alone"),
                    _ => Ok(()),
                }
            }
            Some(_) => fault("not JSON: an escape in a text has no meaning"),
            None => self.cut_off(),
        }
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u32> {
        let Some(digits) = self.text.get(self.at..self.at + 4) else { return self.cut_off() };
        self.at += 4;
        match unit(digits) {
            Some(unit) => Ok(unit),
            None => fault("not JSON: \\u is not followed by four hexadecimal digits"),
        }
    }
}

fn unit(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
}

/// What a text that was checked before means.
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let (escape, behind) = match &rest[at + 1..] {
            [escape, behind @ ..] => (*escape, behind),
            [] => return,
        };
        rest = behind;
        match escape {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let of = |rest: &[u8]| unit(rest.get(..4)?);
                let mut code = of(rest).unwrap_or(0xfffd);
                rest = rest.get(4..).unwrap_or_default();
                if (0xd800..0xdc00).contains(&code) {
                    let low = rest.strip_prefix(b"\\u").and_then(of).unwrap_or(0xdc00);
                    code = 0x10000 + ((code - 0xd800) << 10) + low.saturating_sub(0xdc00);
                    rest = rest.get(6..).unwrap_or_default();
                }
                let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => out.push(other),
        }
    }
    out.extend_from_slice(rest);
}

/// Where the value ends with which a text begins, by its brackets and quotes alone; `None` where that is behind the text.
pub fn end_of_value(text: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0usize, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at += 1;
                loop {
                    match text.get(at)? {
                        b'"' => break,
                        b'\\' => at += 2,
                        _ => at += 1,
                    }
                }
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 1 => depth -= 1,
            b'}' | b']' if depth == 1 => return Some(at + 1),
            // A number or a word, or what is neither.
            b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return Some(at.max(1)),
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> std::result::Result<Vec<(String, Kind, String)>, Fault> {
        let mut found = Vec::new();
        object(text.as_bytes(), &mut |key, value| {
            let text_of = |value: Value| {
                let mut scratch = Vec::new();
                let bytes = value.scalar(text.as_bytes(), &mut scratch).unwrap_or(value.raw(text.as_bytes()));
                String::from_utf8(bytes.to_vec()).unwrap()
            };
            found.push((text_of(key), value.kind, text_of(value)));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn objects_are_cut_into_keys_and_values() {
        let found =
            parsed(r#" { "a":1 ,"b" : "x\"\u00e4\ud83d\ude00\/","c":[1,{"d":[]}], "":{"k" : "}"},"n":null,"t":true} "#);
        let expected = [
            ("a", Kind::Number, "1"),
            ("b", Kind::Escaped, "x\"ä😀/"),
            ("c", Kind::Array, r#"[1,{"d":[]}]"#),
            ("", Kind::Object, r#"{"k" : "}"}"#),
            ("n", Kind::Null, "null"),
            ("t", Kind::True, "true"),
        ];
        assert_eq!(found.unwrap(), expected.map(|(key, kind, text)| (key.to_string(), kind, text.to_string())));
        assert_eq!(parsed("{}").unwrap(), []);
        for number in ["0", "-0", "-1.5e-3", "1E+9", "NaN", "-Infinity", "Infinity", "12345678901234567890123"] {
            assert_eq!(parsed(&format!("{{\"a\":{number}}}")).unwrap(), [("a".into(), Kind::Number, number.into())]);
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for wrong in [
            "1",
            "[]",
            "\"a\"",
            "{a:1}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1 \"b\":2}",
            "{} {}",
            "{\"a\":01}",
            "{\"a\":+1}",
            "{\"a\":.5}",
            "{\"a\":1.}",
            "{\"a\":1e}",
            "{\"a\":tru}",
            "{\"a\":'x'}",
            "{\"a\":\"\t\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\\ude00\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":[1,]}",
            "{\"a\":[1 2]}",
            "{\"a\":[}",
        ] {
            assert!(parsed(wrong).is_err_and(|fault| !fault.is_cut_off), "{wrong}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(300), "]".repeat(300));
        assert_eq!(parsed(&deep).unwrap_err().what, "nested too deeply");
        let whole = r#"{"a":[1.5e3,"\u0041\n",{"b":true}],"c":"x"}"#;
        for end in 0..whole.len() {
            assert!(parsed(&whole[..end]).is_err_and(|fault| fault.is_cut_off), "{}", &whole[..end]);
            assert_eq!(end_of_value(&whole.as_bytes()[..end]), None);
        }
        assert_eq!(end_of_value(whole.as_bytes()), Some(whole.len()));
    }

    proptest! {
        #[test]
        fn texts_come_back_as_they_were(texts in prop::collection::vec(any::<String>(), 0..6), more in "\\PC*") {
            let escaped = |text: &String| {
                let mut out = String::new();
                for character in text.chars() {
                    match character {
                        '"' | '\\' => out.extend(['\\', character]),
                        '\0'..' ' | '\u{7f}'..='\u{ff}' => out += &format!("\\u{:04X}", character as u32),
                        '\u{10000}'.. => character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out += &format!("\\u{unit:04x}")),
                        _ => out.push(character),
                    }
                }
                out
            };
            let members: Vec<String> = texts.iter().enumerate().map(|(at, text)| format!("\"k{at}\": \"{}\"", escaped(text))).collect();
            let text = format!("{{{}}}", members.join(", "));
            let found: Vec<String> = parsed(&text).unwrap().into_iter().map(|(_, _, text)| text).collect();
            prop_assert_eq!(found, texts);
            prop_assert_eq!(end_of_value(format!("{text}{more}").as_bytes()), Some(text.len()));
        }

        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(prop::sample::select(b"{}[]\":,\\u019ed8a \ntrue-.".to_vec()), 0..40)) {
            let mut scratch = Vec::new();
            let _ = object(&bytes, &mut |key, value| {
                key.scalar(&bytes, &mut scratch);
                if value.kind == Kind::Array {
                    items(value.raw(&bytes), |_| {});
                }
                Ok(())
            });
            let _ = end_of_value(&bytes);
        }
    }
}
