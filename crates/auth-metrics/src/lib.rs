//! Counts what happens to access tokens and signed requests, with the crate [`metrics`].
//!
//! [`MetricsObserver`] is an [`Observer`](auth_core::Observer) of authenticators. It writes into
//! the recorder that the program installed, for example that of `metrics-exporter-prometheus`.
//! [`METRICS`] lists all metrics with their labels. A request that is signed with the cached token,
//! sent once and accepted changes no metric and costs nothing.
//!
//! The terms of these pages are defined in the glossary of [`auth_core`](auth_core#glossary).
//!
//! All guides, in reading order: [Guides](https://docs.rs/auth-core/latest/auth_core/_documentation/).
//!
//! # Example
//!
//! ```
//! use auth_core::{ApiKey, Authenticator, AuthenticatorOptions, Origins, Secret};
//! use auth_metrics::MetricsObserver;
//! use metrics_exporter_prometheus::PrometheusBuilder;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // First the recorder, then the first token request.
//!     let prometheus = PrometheusBuilder::new().install_recorder()?;
//!     let options = AuthenticatorOptions::new().observer(MetricsObserver::new()).label("tenant-7");
//!     let source = ApiKey::new(Secret::new("fake-key"));
//!     let authenticator = Authenticator::builder(source, Origins::new(["https://api.example.com"])?)
//!         .options(options)
//!         .build()?;
//!     // Served at `/metrics`:
//!     let text = prometheus.render();
//!     Ok(())
//! }
//! ```
//!
//! # Labels
//!
//! Each metric has the labels `vendor` and `authenticator`: the vendor's name, and the label that
//! the application gave the authenticator
//! ([`AuthenticatorOptions::label`](auth_core::AuthenticatorOptions::label)); without a label, the
//! vendor's name again. All other labels have the values that [`METRICS`] lists. No label has text
//! from a reply, a host or a URL. So the number of time series is bounded by the number of labels
//! that the application chooses. Do not label authenticators by what others choose: with a label for
//! each user, a service has as many time series as it has users. Let such authenticators share a
//! label.
//!
//! Give each authenticator its own label: authenticators with the same vendor and label share
//! their metrics, and their gauges show the last one.
//!
//! An [`AuthenticatorMap`](auth_core::AuthenticatorMap) that evicts an authenticator ends its
//! gauges: they become NaN. The exporter keeps the series until its idle timeout, for example
//! `PrometheusBuilder::idle_timeout`.
//!
//! # Times
//!
//! A gauge of a time is a point in time, in seconds since 1970, so that it is right between events,
//! too. `auth_token_expires_timestamp_seconds - time()` is how long the token may still be sent.
//!
//! # Dashboard
//!
//! The file `dashboard.json` of this package is a Grafana dashboard with a panel for each metric.
//! Import it, and choose a Prometheus data source.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod observer;
mod series;
mod table;

pub use observer::MetricsObserver;
pub use table::{METRICS, Metric, MetricLabel};

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
