use std::time::Duration;

use auth_core::Secret;
use clap::{Args, CommandFactory, Parser, error::ErrorKind};

/// Checks the library's guarantees on a server that the program starts, or on yours.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// Print the figures as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    live: LiveArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Your server (the first four are required)")]
struct LiveArguments {
    /// The token endpoint. `http` only for 127.0.0.1 and [::1].
    #[arg(long, value_name = "URL", requires_all = ["client_id", "api_url"])]
    token_url: Option<String>,
    /// The client identifier.
    #[arg(long, value_name = "ID", requires_all = ["token_url", "api_url"])]
    client_id: Option<String>,
    /// The client secret. Default: the environment variable QUICKSTART_CLIENT_SECRET, which keeps
    /// the secret out of the list of processes.
    #[arg(long, value_name = "SECRET", requires_all = ["token_url", "client_id", "api_url"])]
    client_secret: Option<String>,
    /// The URL to send GET requests to. An `http` URL sends the token unencrypted.
    #[arg(long, value_name = "URL", requires_all = ["token_url", "client_id"])]
    api_url: Option<String>,
    /// The scope to request. Default: none.
    #[arg(long, requires = "token_url")]
    scope: Option<String>,
    /// The resource to request (RFC 8707). Default: none.
    #[arg(long, value_name = "URI", requires = "token_url")]
    resource: Option<String>,
    /// The number of requests. Default: 300.
    #[arg(long, value_name = "N", requires = "token_url")]
    requests: Option<u32>,
    /// The number of requests at the same time. Default: 16.
    #[arg(long, value_name = "N", requires = "token_url")]
    concurrency: Option<usize>,
    /// The time over which the requests are spread. Default: 0, all at once.
    #[arg(long, value_name = "N", requires = "token_url")]
    seconds: Option<u64>,
}

/// A run against the user's server.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) token_url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret,
    pub(crate) api_url: String,
    pub(crate) scope: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) requests: u32,
    pub(crate) concurrency: usize,
    pub(crate) spread: Duration,
}

impl Arguments {
    /// Returns `None` for a run against the program's own server. Ends the program if the client
    /// secret is missing.
    pub(crate) fn live(self) -> Option<Live> {
        let live = self.live;
        let (token_url, client_id, api_url) = (live.token_url?, live.client_id?, live.api_url?);
        let client_secret = live
            .client_secret
            .or_else(|| std::env::var("QUICKSTART_CLIENT_SECRET").ok());
        let Some(client_secret) = client_secret else {
            let missing =
                "the client secret is missing: set --client-secret or QUICKSTART_CLIENT_SECRET";
            let mut command = Self::command();
            command
                .error(ErrorKind::MissingRequiredArgument, missing)
                .exit()
        };
        Some(Live {
            token_url,
            client_id,
            client_secret: Secret::new(client_secret),
            api_url,
            scope: live.scope,
            resource: live.resource,
            requests: live.requests.unwrap_or(300),
            concurrency: live.concurrency.unwrap_or(16).max(1),
            spread: Duration::from_secs(live.seconds.unwrap_or(0)),
        })
    }
}
