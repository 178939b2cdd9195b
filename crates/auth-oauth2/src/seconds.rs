use std::time::Duration;

/// Reads a text of digits and nothing else; saturates.
pub(crate) fn digits(text: &str) -> Option<Duration> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Digits alone fail to be a number only by being too many.
    Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

/// Reads a JSON number, rounded down to whole seconds: below zero is zero, too large saturates.
///
/// It is read from its text because JSON has numbers that no type has: `1e400` is one.
pub(crate) fn number(json: &str) -> Option<Duration> {
    if let Some(exact) = digits(json) {
        return Some(exact);
    }
    // What the parser let through as a number has this form; others begin with another character.
    if !json.starts_with(|char: char| char == '-' || char.is_ascii_digit()) {
        return None;
    }
    // The conversion saturates at both ends.
    json.parse::<f64>()
        .ok()
        .map(|number| Duration::from_secs(number as u64))
}
