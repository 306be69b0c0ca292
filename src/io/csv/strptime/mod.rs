//! Dates and times by a format such as `%d.%m.%Y %H:%M`: compiled once into steps, which read bytes and allocate nothing.
//!
//! Specifiers are those of C's strptime and of Python, more strict where they would guess: a year has four digits, a number
//! that stands directly beside another has all of its digits, and a weekday must be that of the date.

#[cfg(test)]
mod tests;

use crate::types::temporal::{MICROS_PER_DAY, MICROS_PER_SECOND, MONTHS, WEEKDAYS, days_from_ordinal, days_from_ymd};

/// Letters of the short names of months and weekdays.
const SHORT: usize = 3;

/// A format, ready to read with.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeFormat {
    steps: Vec<Step>,
    /// What the steps set, as bits of [`Part`].
    parts: u32,
}

/// What is read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// This byte.
    Literal(u8),
    /// Blanks, at least one.
    Blanks,
    /// A number of so many digits.
    Number { part: Part, least: usize, most: usize },
    /// The same, of one or two digits, with a blank in place of a leading zero.
    Padded(Part),
    /// The digits of a second's fraction.
    Fraction,
    /// The same with the point before them, or nothing.
    PointFraction,
    /// The name of a month or weekday, short or not.
    Name { part: Part, short: bool },
    /// `AM` or `PM`.
    HalfDay,
    /// `+01:00`, `+0100`, `+01` or `Z`.
    Offset,
    /// `UTC`, `GMT` or `Z`.
    Utc,
    /// Seconds since 1970.
    Epoch,
}

/// What a step sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Part {
    Year,
    Month,
    Day,
    DayOfYear,
    Weekday,
    Hour,
    HalfDay,
    Minute,
    Second,
    Fraction,
    Offset,
    Epoch,
    YearOfCentury,
    HourOfHalfDay,
}

/// What was read.
#[derive(Debug, Default)]
struct Moment {
    year: i64,
    month: i64,
    day: i64,
    day_of_year: Option<i64>,
    weekday: Option<i64>,
    hour: i64,
    is_afternoon: bool,
    minute: i64,
    second: i64,
    micros: i64,
    offset: Option<i64>,
    epoch: Option<i64>,
    is_before_epoch: bool,
}

impl TimeFormat {
    /// What a format may hold.
    pub const SPECIFIERS: &str = "specifiers are %Y %y (year) %m %b %B (month) %d %e (day) %j (day of year) %a %A (weekday) \
        %H %I %p (hour) %M %S (minute, second) %f %.f (fraction) %z %Z (offset, UTC) %s (seconds since 1970) \
        %F %D %T %R %r (combined) %%; %-d %-m %-H read what %d %m %H do";

    /// Compiles a format.
    ///
    /// # Errors
    /// What is wrong with it, to follow "the option 'x' is".
    pub fn new(format: &str) -> Result<Self, String> {
        let wrong = |problem: String| format!("'{format}', {problem}");
        let mut compiled = Self { steps: Vec::new(), parts: 0 };
        // Fields are read without the blanks around them.
        compiled.add(format.trim()).map_err(wrong)?;
        compiled.fix_widths().map_err(wrong)?;
        compiled.check().map_err(|problem| wrong(problem.into()))?;
        Ok(compiled)
    }

    fn add(&mut self, format: &str) -> Result<(), String> {
        let mut rest = format.as_bytes();
        while let Some((byte, behind)) = rest.split_first() {
            rest = behind;
            match byte {
                b'%' => rest = self.add_specifier(rest)?,
                b' ' | b'\t' => {
                    if self.steps.last() != Some(&Step::Blanks) {
                        self.steps.push(Step::Blanks);
                    }
                }
                byte => self.steps.push(Step::Literal(*byte)),
            }
        }
        Ok(())
    }

    /// Adds the specifier at the start of `rest`, and returns what is behind it.
    fn add_specifier<'a>(&mut self, rest: &'a [u8]) -> Result<&'a [u8], String> {
        let (least_of_two, rest) = match rest {
            [b'-', rest @ ..] => (1, rest),
            rest => (0, rest),
        };
        // 0 stands for one digit, or two beside another number: see `fix_widths`.
        let two = |part| Step::Number { part, least: least_of_two, most: 2 };
        let (step, part, behind) = match rest {
            [b'.', b'f', behind @ ..] | [b'.', b'3' | b'6' | b'9', b'f', behind @ ..] => {
                (Step::PointFraction, Part::Fraction, behind)
            }
            [specifier, behind @ ..] => match specifier {
                b'Y' => (Step::Number { part: Part::Year, least: 4, most: 4 }, Part::Year, behind),
                b'y' => (Step::Number { part: Part::YearOfCentury, least: 2, most: 2 }, Part::Year, behind),
                b'm' => (two(Part::Month), Part::Month, behind),
                b'b' | b'h' => (Step::Name { part: Part::Month, short: true }, Part::Month, behind),
                b'B' => (Step::Name { part: Part::Month, short: false }, Part::Month, behind),
                b'd' => (two(Part::Day), Part::Day, behind),
                b'e' => (Step::Padded(Part::Day), Part::Day, behind),
                b'j' => (Step::Number { part: Part::DayOfYear, least: least_of_two, most: 3 }, Part::DayOfYear, behind),
                b'a' => (Step::Name { part: Part::Weekday, short: true }, Part::Weekday, behind),
                b'A' => (Step::Name { part: Part::Weekday, short: false }, Part::Weekday, behind),
                b'H' => (two(Part::Hour), Part::Hour, behind),
                b'k' => (Step::Padded(Part::Hour), Part::Hour, behind),
                b'I' => (two(Part::HourOfHalfDay), Part::Hour, behind),
                b'l' => (Step::Padded(Part::HourOfHalfDay), Part::Hour, behind),
                b'p' | b'P' => (Step::HalfDay, Part::HalfDay, behind),
                b'M' => (two(Part::Minute), Part::Minute, behind),
                b'S' => (two(Part::Second), Part::Second, behind),
                b'f' => (Step::Fraction, Part::Fraction, behind),
                b'z' => (Step::Offset, Part::Offset, behind),
                b'Z' => (Step::Utc, Part::Offset, behind),
                b's' => (Step::Epoch, Part::Epoch, behind),
                b'%' => {
                    self.steps.push(Step::Literal(b'%'));
                    return Ok(behind);
                }
                b'F' => return self.add("%Y-%m-%d").map(|()| behind),
                b'D' => return self.add("%m/%d/%y").map(|()| behind),
                b'T' => return self.add("%H:%M:%S").map(|()| behind),
                b'R' => return self.add("%H:%M").map(|()| behind),
                b'r' => return self.add("%I:%M:%S %p").map(|()| behind),
                _ => {
                    let end = std::str::from_utf8(rest).map_or(1, |text| text.chars().next().map_or(1, char::len_utf8));
                    let specifier = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned();
                    return Err(format!("in which %{specifier} is unknown"));
                }
            },
            [] => return Err("which ends with %".into()),
        };
        if self.has(part) {
            return Err("which says a part of the date or time twice".into());
        }
        self.parts |= 1 << part as u32;
        if part == Part::Hour
            && matches!(step, Step::Number { part: p, .. } | Step::Padded(p) if p == Part::HourOfHalfDay)
        {
            self.parts |= 1 << Part::HourOfHalfDay as u32;
        }
        self.steps.push(step);
        Ok(behind)
    }

    fn has(&self, part: Part) -> bool {
        self.parts & 1 << part as u32 != 0
    }

    /// Numbers that stand directly beside digits have all of their digits, so that there is one way to read them.
    fn fix_widths(&mut self) -> Result<(), String> {
        let is_number = |step: Option<&Step>| {
            matches!(
                step,
                Some(Step::Number { .. } | Step::Padded(_) | Step::Fraction | Step::Epoch | Step::Literal(b'0'..=b'9'))
            )
        };
        for index in 0..self.steps.len() {
            let before = index > 0 && is_number(self.steps.get(index - 1));
            let behind = is_number(self.steps.get(index + 1));
            let ambiguous = match &mut self.steps[index] {
                Step::Number { least, most, .. } if *least == 0 => {
                    *least = if before || behind { *most } else { 1 };
                    false
                }
                Step::Number { least, most, .. } => least != most && (before || behind),
                // A blank before it belongs to it.
                Step::Padded(_) => behind,
                Step::Fraction | Step::Epoch => behind,
                _ => false,
            };
            if ambiguous {
                return Err("in which numbers that stand side by side do not tell where one ends".into());
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), &'static str> {
        let has = |part| self.has(part);
        let day = [Part::Month, Part::Day].map(has);
        if has(Part::Epoch) {
            if self.parts & !(1 << Part::Epoch as u32 | 1 << Part::Fraction as u32) != 0 {
                return Err("in which %s says all that the rest does");
            }
            return Ok(());
        }
        if !has(Part::Year) || (!has(Part::DayOfYear) && day != [true, true]) {
            return Err("which is no whole date: that is a year with month and day or day of year, or %s");
        }
        if has(Part::DayOfYear) && day.contains(&true) {
            return Err("which says the day twice");
        }
        if has(Part::HourOfHalfDay) != has(Part::HalfDay) {
            return Err("in which %I and %p are not together");
        }
        for (part, above) in [
            (Part::Minute, Part::Hour),
            (Part::Second, Part::Minute),
            (Part::Fraction, Part::Second),
            (Part::Offset, Part::Hour),
        ] {
            if has(part) && !has(above) {
                return Err("in which a part of the time lacks what it is a part of");
            }
        }
        Ok(())
    }

    /// Whether it reads more than a date.
    pub fn has_time(&self) -> bool {
        self.has(Part::Hour) || self.has(Part::Epoch)
    }

    /// Whether it reads a zone.
    pub fn has_zone(&self) -> bool {
        self.has(Part::Offset)
    }

    /// Whether it reads seconds since 1970, as any whole number might be.
    pub fn is_epoch(&self) -> bool {
        self.has(Part::Epoch)
    }

    /// Days since 1970-01-01; `None` where the text does not follow the format, or the format has a time.
    pub fn date(&self, text: &[u8]) -> Option<i32> {
        if self.has_time() { None } else { self.moment(text)?.days() }
    }

    /// Local microseconds since the epoch, and the seconds east of UTC where the format has a zone; seconds since the
    /// epoch are in UTC. `None` where the text does not follow the format.
    pub fn timestamp(&self, text: &[u8]) -> Option<(i64, Option<i64>)> {
        let moment = self.moment(text)?;
        if let Some(seconds) = moment.epoch {
            return Some((seconds.checked_mul(MICROS_PER_SECOND)?.checked_add(moment.micros)?, Some(0)));
        }
        let days = i64::from(moment.days()?);
        let hour = if self.has(Part::HalfDay) {
            moment.hour % 12 + if moment.is_afternoon { 12 } else { 0 }
        } else {
            moment.hour
        };
        let seconds = hour * 3600 + moment.minute * 60 + moment.second;
        Some((days * MICROS_PER_DAY + seconds * MICROS_PER_SECOND + moment.micros, moment.offset))
    }

    fn moment(&self, mut text: &[u8]) -> Option<Moment> {
        let mut moment = Moment::default();
        for step in &self.steps {
            match *step {
                Step::Literal(byte) => text = text.strip_prefix(&[byte])?,
                Step::Blanks => {
                    let behind = without_blanks(text);
                    if behind.len() == text.len() {
                        return None;
                    }
                    text = behind;
                }
                Step::Number { part, least, most } => moment.set(part, number(&mut text, least, most)?)?,
                Step::Padded(part) => {
                    text = text.strip_prefix(b" ").unwrap_or(text);
                    moment.set(part, number(&mut text, 1, 2)?)?;
                }
                Step::Name { part: Part::Month, short } => moment.month = name(&mut text, &MONTHS, short)? + 1,
                Step::Name { short, .. } => moment.weekday = Some(name(&mut text, &WEEKDAYS, short)?),
                Step::Fraction => moment.fraction(&mut text)?,
                Step::PointFraction => {
                    if let Some(behind) = text.strip_prefix(b".") {
                        text = behind;
                        moment.fraction(&mut text)?;
                    }
                }
                Step::HalfDay => {
                    let (half, behind) = text.split_first_chunk::<2>()?;
                    moment.is_afternoon = half.eq_ignore_ascii_case(b"pm");
                    if !moment.is_afternoon && !half.eq_ignore_ascii_case(b"am") {
                        return None;
                    }
                    text = behind;
                }
                Step::Offset => moment.offset = Some(offset(&mut text)?),
                Step::Utc => {
                    let letters = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
                    let (zone, behind) = text.split_at_checked(letters)?;
                    if ![&b"UTC"[..], b"GMT", b"Z"].iter().any(|utc| zone.eq_ignore_ascii_case(utc)) {
                        return None;
                    }
                    moment.offset = Some(0);
                    text = behind;
                }
                Step::Epoch => {
                    let (is_negative, mut digits) = match text {
                        [b'-', digits @ ..] => (true, digits),
                        digits => (false, digits),
                    };
                    let seconds = number(&mut digits, 1, 15)?;
                    moment.epoch = Some(if is_negative { -seconds } else { seconds });
                    moment.is_before_epoch = is_negative;
                    text = digits;
                }
            }
        }
        text.is_empty().then_some(moment)
    }
}

impl Moment {
    /// Sets a part; `None` where the calendar or the clock has no such value.
    #[inline]
    fn set(&mut self, part: Part, value: i64) -> Option<()> {
        let (place, range) = match part {
            Part::Year => (&mut self.year, 0..=9999),
            // As POSIX has it.
            Part::YearOfCentury => {
                self.year = value + if value < 69 { 2000 } else { 1900 };
                return Some(());
            }
            Part::Month => (&mut self.month, 1..=12),
            Part::Day => (&mut self.day, 1..=31),
            Part::DayOfYear => (self.day_of_year.insert(value), 1..=366),
            Part::Hour => (&mut self.hour, 0..=23),
            Part::HourOfHalfDay => (&mut self.hour, 1..=12),
            Part::Minute => (&mut self.minute, 0..=59),
            Part::Second => (&mut self.second, 0..=59),
            Part::Weekday | Part::HalfDay | Part::Fraction | Part::Offset | Part::Epoch => return None,
        };
        *place = value;
        range.contains(&value).then_some(())
    }

    /// Reads digits of a fraction; those behind the sixth must be zeros.
    fn fraction(&mut self, text: &mut &[u8]) -> Option<()> {
        let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (mut digits, behind) = text.split_at_checked(count)?;
        if let Some((six, rest)) = digits.split_at_checked(6) {
            if rest.iter().any(|digit| *digit != b'0') {
                return None;
            }
            digits = six;
        }
        let scale = 10i64.pow(6 - u32::try_from(digits.len()).ok()?);
        let micros = number(&mut digits, 1, 6)? * scale;
        self.micros = if self.is_before_epoch { -micros } else { micros };
        *text = behind;
        Some(())
    }

    fn days(&self) -> Option<i32> {
        let year = i32::try_from(self.year).ok()?;
        let days = match self.day_of_year {
            Some(day) => days_from_ordinal(year, u32::try_from(day).ok()?)?,
            None => days_from_ymd(year, u32::try_from(self.month).ok()?, u32::try_from(self.day).ok()?)?,
        };
        // 1970-01-01 was a Thursday.
        match self.weekday {
            Some(weekday) if (i64::from(days) + 3).rem_euclid(7) != weekday => None,
            _ => Some(days),
        }
    }
}

fn without_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}

/// A number of at least and at most so many digits, as many as there are.
#[inline]
fn number(text: &mut &[u8], least: usize, most: usize) -> Option<i64> {
    let (mut value, mut count) = (0, 0);
    while let [digit @ b'0'..=b'9', rest @ ..] = *text
        && count < most
    {
        value = value * 10 + i64::from(digit - b'0');
        count += 1;
        *text = rest;
    }
    (count >= least).then_some(value)
}

/// The index of the name that the text begins with, in any case.
fn name(text: &mut &[u8], names: &[&str], short: bool) -> Option<i64> {
    let begins = |name: &str| {
        let name = name.as_bytes().get(..if short { SHORT } else { name.len() })?;
        let (start, behind) = text.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then_some(behind)
    };
    let (index, behind) = names.iter().enumerate().find_map(|(index, name)| Some((index, begins(name)?)))?;
    *text = behind;
    i64::try_from(index).ok()
}

/// Seconds east of UTC.
fn offset(text: &mut &[u8]) -> Option<i64> {
    let (sign, mut rest) = match *text {
        [b'Z' | b'z', rest @ ..] => {
            *text = rest;
            return Some(0);
        }
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let hours = number(&mut rest, 2, 2)?;
    let minutes = match rest {
        [b':', minutes @ ..] => {
            rest = minutes;
            number(&mut rest, 2, 2)?
        }
        [b'0'..=b'9', ..] => number(&mut rest, 2, 2)?,
        _ => 0,
    };
    *text = rest;
    (hours <= 15 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}
