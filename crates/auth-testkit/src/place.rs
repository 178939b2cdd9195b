use http::Uri;

use crate::Side;

/// An origin of a server, and the parts of the vendor that it serves.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) origin: String,
    /// The origin as records show it, the same in every run.
    pub(crate) shown: String,
    pub(crate) has: Has,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Has {
    TokenSide,
    Api,
    Both,
    Nothing,
}

impl Place {
    /// Decides by the vendor's paths which side a request came to.
    pub(crate) fn side(&self, token_paths: &[String], api_path: &str, uri: &Uri) -> Side {
        let path = uri.path();
        let tokens = matches!(self.has, Has::TokenSide | Has::Both);
        if tokens && token_paths.iter().any(|known| known == path) {
            return Side::Token;
        }
        let below = path.strip_prefix(api_path);
        let in_api = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        match self.has {
            Has::Api | Has::Both if in_api => Side::Api,
            _ => Side::Stray,
        }
    }
}
