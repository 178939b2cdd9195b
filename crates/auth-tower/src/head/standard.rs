//! Numbers for standard header names, which are shorter than the names.

use http::{HeaderName, header};

macro_rules! standard_names {
    ($($name:ident)*) => {
        #[allow(
            non_camel_case_types,
            clippy::upper_case_acronyms,
            reason = "the names of the constants"
        )]
        #[derive(Clone, Copy)]
        enum Number {
            $($name,)*
        }

        static NAMES: [HeaderName; [$(Number::$name,)*].len()] = [$(header::$name,)*];

        /// Returns the number of a name. A name of another list has none, which costs time only.
        #[inline(always)]
        pub(super) fn number_of(name: &HeaderName) -> Option<u32> {
            match *name {
                $(header::$name => Some(Number::$name as u32),)*
                _ => None,
            }
        }
    };
}

// In the order of the crate `http`, so that the compiler needs no table.
standard_names! {
    ACCEPT ACCEPT_CHARSET ACCEPT_ENCODING ACCEPT_LANGUAGE ACCEPT_RANGES
    ACCESS_CONTROL_ALLOW_CREDENTIALS ACCESS_CONTROL_ALLOW_HEADERS ACCESS_CONTROL_ALLOW_METHODS
    ACCESS_CONTROL_ALLOW_ORIGIN ACCESS_CONTROL_EXPOSE_HEADERS ACCESS_CONTROL_MAX_AGE
    ACCESS_CONTROL_REQUEST_HEADERS ACCESS_CONTROL_REQUEST_METHOD AGE ALLOW ALT_SVC AUTHORIZATION
    CACHE_CONTROL CACHE_STATUS CDN_CACHE_CONTROL CONNECTION CONTENT_DISPOSITION CONTENT_ENCODING
    CONTENT_LANGUAGE CONTENT_LENGTH CONTENT_LOCATION CONTENT_RANGE CONTENT_SECURITY_POLICY
    CONTENT_SECURITY_POLICY_REPORT_ONLY CONTENT_TYPE COOKIE DNT DATE ETAG EXPECT EXPIRES FORWARDED FROM
    HOST IF_MATCH IF_MODIFIED_SINCE IF_NONE_MATCH IF_RANGE IF_UNMODIFIED_SINCE LAST_MODIFIED LINK
    LOCATION MAX_FORWARDS ORIGIN PRAGMA PROXY_AUTHENTICATE PROXY_AUTHORIZATION PUBLIC_KEY_PINS
    PUBLIC_KEY_PINS_REPORT_ONLY RANGE REFERER REFERRER_POLICY REFRESH RETRY_AFTER SEC_WEBSOCKET_ACCEPT
    SEC_WEBSOCKET_EXTENSIONS SEC_WEBSOCKET_KEY SEC_WEBSOCKET_PROTOCOL SEC_WEBSOCKET_VERSION SERVER
    SET_COOKIE STRICT_TRANSPORT_SECURITY TE TRAILER TRANSFER_ENCODING USER_AGENT UPGRADE
    UPGRADE_INSECURE_REQUESTS VARY VIA WARNING WWW_AUTHENTICATE X_CONTENT_TYPE_OPTIONS
    X_DNS_PREFETCH_CONTROL X_FRAME_OPTIONS X_XSS_PROTECTION
}

/// Returns the name with this number.
pub(super) fn name_of(number: usize) -> Option<HeaderName> {
    NAMES.get(number).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_that_of_one_name() {
        for (number, name) in NAMES.iter().enumerate() {
            assert_eq!(number_of(name), Some(number as u32), "{name}");
            assert_eq!(name_of(number).as_ref(), Some(name));
            let parsed = HeaderName::from_bytes(name.as_str().as_bytes()).unwrap();
            assert_eq!(number_of(&parsed), Some(number as u32), "{name}");
        }
        assert_eq!(name_of(NAMES.len()), None);
        for other in ["x-own", "accepted", "a", "x-frame-option"] {
            assert_eq!(number_of(&HeaderName::from_static(other)), None, "{other}");
        }
    }
}
