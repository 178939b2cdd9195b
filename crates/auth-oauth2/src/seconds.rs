use std::time::Duration;

/// Reads a text of digits only. Saturates.
pub(crate) fn digits(text: &str) -> Option<Duration> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // A text of digits fails to parse only if the number is too large.
    Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

/// Reads a JSON number, rounded down to whole seconds. A negative number is zero; a number that is
/// too large saturates.
///
/// The number is read from its text, because JSON permits numbers that fit no type, for example
/// `1e400`.
pub(crate) fn number(json: &str) -> Option<Duration> {
    if let Some(exact) = digits(json) {
        return Some(exact);
    }
    // The JSON parser has checked that a number has this form. Other values begin with another
    // character.
    if !json.starts_with(|char: char| char == '-' || char.is_ascii_digit()) {
        return None;
    }
    // The conversion saturates at both ends.
    json.parse::<f64>()
        .ok()
        .map(|number| Duration::from_secs(number as u64))
}
