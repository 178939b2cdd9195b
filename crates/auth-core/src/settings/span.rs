use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, de};

/// A duration in settings: numbers with units, for example `"30s"`, `"5m"` or `"1h 30m"`.
///
/// Units: `ms`, `s`, `m` (minutes), `h`, `days`. A number without a unit is an error.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use auth_core::settings::Span;
///
/// #[derive(serde::Deserialize)]
/// struct Settings {
///     timeout: Span,
/// }
///
/// let settings: Settings = toml::from_str(r#"timeout = "1m 30s""#)?;
/// assert_eq!(Duration::from(settings.timeout), Duration::from_secs(90));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(Duration);

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(SpanVisitor)
    }
}

struct SpanVisitor;

impl de::Visitor<'_> for SpanVisitor {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration with a unit, for example \"30s\", \"5m\" or \"1h 30m\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
        let duration = humantime::parse_duration(text);
        let duration = duration.map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))?;
        Ok(Span(duration))
    }
}
