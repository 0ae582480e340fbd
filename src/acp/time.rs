//! RFC 3339, as the protocol writes times. Ours are Unix seconds.

/// `2026-04-17T09:30:00Z`. Years beyond 0 to 9999 have no RFC 3339 form: they are written as the first or the last second that has.
pub fn rfc3339(seconds: i64) -> String {
    let seconds = seconds.clamp(-62_167_219_200, 253_402_300_799);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Days since 1970-01-01 → year, month, day (Gregorian, for all time). Years are counted from 1 March, so that the leap day is the
/// last of its year, in eras of 400 years, which are all of 146,097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let leaps = (day_of_era / 1460).saturating_sub(day_of_era / 36_524).saturating_add(day_of_era / 146_096);
    let year_of_era = day_of_era.saturating_sub(leaps) / 365;
    let before = year_of_era.saturating_mul(365).saturating_add(year_of_era / 4).saturating_sub(year_of_era / 100);
    let day_of_year = day_of_era.saturating_sub(before);
    let month = day_of_year.saturating_mul(5).saturating_add(2) / 153;
    let day = day_of_year.saturating_sub(month.saturating_mul(153).saturating_add(2) / 5).saturating_add(1);
    let (month, later) = if month < 10 { (month.saturating_add(3), 0) } else { (month.saturating_sub(9), 1) };
    (era.saturating_mul(400).saturating_add(year_of_era).saturating_add(later), month, day)
}

/// Whether a text is a time by RFC 3339, with its offset: what others sent and we send on must be one.
pub fn is_rfc3339(text: &str) -> bool {
    let digits = |from: usize, to: usize| -> Option<u32> {
        let part = text.get(from..to).filter(|part| part.bytes().all(|b| b.is_ascii_digit()))?;
        part.parse().ok()
    };
    let is = |place: usize, one_of: &[u8]| text.as_bytes().get(place).is_some_and(|b| one_of.contains(b));
    let (Some(year), Some(month), Some(day)) = (digits(0, 4), digits(5, 7), digits(8, 10)) else { return false };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    let clock = |from: usize| match (digits(from, from.saturating_add(2)), digits(from.saturating_add(3), from.saturating_add(5))) {
        (Some(hour), Some(minute)) => hour < 24 && minute < 60 && is(from.saturating_add(2), b":"),
        _ => false,
    };
    let date = is(4, b"-") && is(7, b"-") && is(10, b"Tt") && (1..=last).contains(&day);
    let time = clock(11) && is(16, b":") && digits(17, 19).is_some_and(|second| second < 60);
    let rest = text.get(19..).unwrap_or_default();
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => {
            let offset = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if offset.len() == fraction.len() { "" } else { offset }
        }
        None => rest,
    };
    let signed = offset.len() == 6 && offset.starts_with(['+', '-']) && clock(text.len().saturating_sub(5));
    date && time && (offset.eq_ignore_ascii_case("z") || signed)
}
