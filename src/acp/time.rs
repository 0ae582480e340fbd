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

/// Unix seconds of an RFC 3339 time; parts of a second are dropped. `None`: it is none.
pub fn seconds(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(['T', 't'])?;
    let (time, offset) = match rest.strip_suffix(['Z', 'z']) {
        Some(time) => (time, 0),
        None => {
            let sign = rest.rfind(['+', '-'])?;
            let (time, zone) = rest.split_at_checked(sign)?;
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let minutes = number(hours, 2, 23)?.saturating_mul(60).saturating_add(number(minutes, 2, 59)?);
            (time, if zone.starts_with('-') { minutes.saturating_neg() } else { minutes })
        }
    };
    let mut parts = date.split('-');
    let (year, month, day) = (number(parts.next()?, 4, 9999)?, number(parts.next()?, 2, 12)?, number(parts.next()?, 2, 31)?);
    let whole = match time.split_once('.') {
        Some((whole, part)) if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) => whole,
        Some(_) => return None,
        None => time,
    };
    let mut clock = whole.split(':');
    let (hour, minute, second) = (number(clock.next()?, 2, 23)?, number(clock.next()?, 2, 59)?, number(clock.next()?, 2, 59)?);
    if parts.next().is_some() || clock.next().is_some() || month == 0 || day == 0 {
        return None;
    }
    let days = days(year, month, day);
    // The 30th of February is none.
    if civil(days) != (year, month, day) {
        return None;
    }
    let of_day = hour.saturating_mul(3600).saturating_add(minute.saturating_mul(60)).saturating_add(second);
    Some(days.saturating_mul(86_400).saturating_add(of_day).saturating_sub(offset.saturating_mul(60)))
}

/// Whether a text is a time by RFC 3339, with its offset: what others sent and we send on must be one.
pub fn is_rfc3339(text: &str) -> bool {
    seconds(text).is_some()
}

/// Some digits, at most so large.
fn number(text: &str, digits: usize, most: i64) -> Option<i64> {
    if text.len() != digits || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse::<i64>().ok().filter(|number| *number <= most)
}

/// The other way of [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year.saturating_sub(1) } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = if month > 2 { month.saturating_sub(3) } else { month.saturating_add(9) };
    let day_of_year = from_march.saturating_mul(153).saturating_add(2).div_euclid(5).saturating_add(day).saturating_sub(1);
    let day_of_era = year_of_era
        .saturating_mul(365)
        .saturating_add(year_of_era.div_euclid(4))
        .saturating_sub(year_of_era.div_euclid(100))
        .saturating_add(day_of_year);
    era.saturating_mul(146_097).saturating_add(day_of_era).saturating_sub(719_468)
}
