//! What stands between two fields.

/// The bytes between two fields: mostly one, and at most eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiter {
    bytes: [u8; Self::LONGEST],
    len: u8,
}

impl Delimiter {
    /// Bytes that a delimiter has at most.
    pub const LONGEST: usize = 8;

    /// A delimiter of these bytes; `None` where there are none, or too many.
    pub fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::LONGEST];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        let len = u8::try_from(text.len()).ok().filter(|len| *len > 0)?;
        Some(Self { bytes, len })
    }

    /// The bytes, which are never none.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The first byte, or the only one.
    pub fn first_byte(&self) -> u8 {
        self.bytes[0]
    }

    /// The delimiter, where it has several bytes.
    pub fn if_long(self) -> Option<Self> {
        (self.len > 1).then_some(self)
    }

    /// The byte, where it is a single one.
    pub fn one_byte(&self) -> Option<u8> {
        match self.as_bytes() {
            [byte] => Some(*byte),
            _ => None,
        }
    }
}

impl From<u8> for Delimiter {
    fn from(byte: u8) -> Self {
        let mut bytes = [0; Self::LONGEST];
        bytes[0] = byte;
        Self { bytes, len: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_have_one_to_eight_bytes() {
        assert_eq!(Delimiter::new(b";"), Some(Delimiter::from(b';')));
        assert_eq!(Delimiter::from(b';').one_byte(), Some(b';'));
        let two = Delimiter::new(b"||").unwrap();
        assert_eq!((two.as_bytes(), two.one_byte()), (&b"||"[..], None));
        assert_eq!(Delimiter::new("¦".as_bytes()).unwrap().as_bytes().len(), 2);
        assert_eq!(Delimiter::new(b"12345678").unwrap().as_bytes(), b"12345678");
        assert_eq!((Delimiter::new(b""), Delimiter::new(b"123456789")), (None, None));
    }
}
