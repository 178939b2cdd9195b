//! A Prometheus of the test's own: a temporary folder, free ports, ended by its process id.

use std::{ffi::OsStr, fs, process::Stdio};

use axum::{Router, routing::get};
use reqwest::Client;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    task::JoinHandle,
};

pub(crate) struct Prometheus {
    process: Child,
    url: String,
    client: Client,
    scraped: JoinHandle<()>,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts the program. It asks for this text once a second.
    pub(crate) async fn start(
        program: &OsStr,
        text: impl Fn() -> String + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let router = Router::new().route("/metrics", get(move || async move { text() }));
        let scraped = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("prometheus.yml");
        fs::write(
            &settings,
            format!(
                "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
                 scrape_configs:\n\
                 - job_name: auth\n  \
                   static_configs: [{{targets: ['{target}']}}]\n"
            ),
        )
        .unwrap();
        // Prometheus cannot choose a port and say which: this one was free a moment ago.
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let process = Command::new(program)
            .arg(format!("--config.file={}", settings.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self {
            process,
            url: format!("http://{address}/api/v1/query"),
            client: Client::builder().no_proxy().build().unwrap(),
            scraped,
            _folder: folder,
        }
    }

    /// Tells whether a query returns a number. Not yet, while Prometheus starts.
    pub(crate) async fn has_data(&mut self, query: &str) -> bool {
        if let Some(status) = self.process.try_wait().unwrap() {
            panic!("Prometheus ended: {status}");
        }
        let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let url = format!("{}?query={query}", self.url);
        let Ok(response) = self.client.get(url).send().await else {
            return false;
        };
        let is_starting = response.status() == 503;
        let body = response.bytes().await.unwrap();
        if is_starting {
            return false;
        }
        let body: Value = serde_json::from_slice(&body)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&body)));
        assert_eq!(body["status"], "success", "{body}");
        let series = body["data"]["result"].as_array().unwrap();
        series.iter().any(|series| series["value"][1] != "NaN")
    }

    pub(crate) async fn stop(mut self) {
        self.process.kill().await.unwrap();
        self.scraped.abort();
    }
}
