use std::{error::Error, time::Duration};

pub(crate) const HELP: &str = "\
Checks the library's promises on a server that the program starts, or on yours.

USAGE: cargo run --example quickstart [-- OPTIONS]

    --json               print the figures as one JSON object

On your server (all four are required):
    --token-url URL      token endpoint; http only for 127.0.0.1 and [::1]
    --client-id ID
    --client-secret SECRET
                         the environment variable QUICKSTART_CLIENT_SECRET keeps it
                         out of the list of processes
    --api-url URL        URL to GET

    --scope SCOPE        scope to request
    --resource URI       resource to request (RFC 8707)
    --requests N         number of requests. Default: 300
    --concurrency N      requests at the same time. Default: 16
    --seconds N          spread the requests over this time. Default: 0, all at once";

#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) json: bool,
    pub(crate) live: Option<Live>,
}

/// A run against the user's server.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) token_url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: auth_core::Secret,
    pub(crate) api_url: String,
    pub(crate) scope: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) requests: u32,
    pub(crate) concurrency: usize,
    pub(crate) spread: Duration,
}

impl Arguments {
    /// Returns `None` for `--help`.
    pub(crate) fn parse() -> Result<Option<Self>, Box<dyn Error>> {
        use lexopt::{Arg, ValueExt};

        let [
            mut token_url,
            mut client_id,
            mut api_url,
            mut scope,
            mut resource,
        ] = [const { None::<String> }; 5];
        let mut client_secret = std::env::var("QUICKSTART_CLIENT_SECRET").ok();
        let (mut requests, mut concurrency, mut seconds) = (300, 16_usize, 0);
        let mut json = false;
        let mut live = false;

        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            let Arg::Long(name) = argument else {
                return Err(argument.unexpected().into());
            };
            live |= !matches!(name, "json" | "help");
            match name {
                "help" => return Ok(None),
                "json" => json = true,
                "token-url" => token_url = Some(parser.value()?.string()?),
                "client-id" => client_id = Some(parser.value()?.string()?),
                "client-secret" => client_secret = Some(parser.value()?.string()?),
                "api-url" => api_url = Some(parser.value()?.string()?),
                "scope" => scope = Some(parser.value()?.string()?),
                "resource" => resource = Some(parser.value()?.string()?),
                "requests" => requests = parser.value()?.parse()?,
                "concurrency" => concurrency = parser.value()?.parse()?,
                "seconds" => seconds = parser.value()?.parse()?,
                _ => return Err(argument.unexpected().into()),
            }
        }
        if !live {
            return Ok(Some(Self { json, live: None }));
        }
        let live = Live {
            token_url: token_url.ok_or("--token-url is missing")?,
            client_id: client_id.ok_or("--client-id is missing")?,
            client_secret: client_secret.ok_or("--client-secret is missing")?.into(),
            api_url: api_url.ok_or("--api-url is missing")?,
            scope,
            resource,
            requests,
            concurrency: concurrency.max(1),
            spread: Duration::from_secs(seconds),
        };
        Ok(Some(Self {
            json,
            live: Some(live),
        }))
    }
}
