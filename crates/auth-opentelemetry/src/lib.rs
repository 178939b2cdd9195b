//! Counts what happens to access tokens and signed requests, as OpenTelemetry metrics.
//!
//! [`OpenTelemetryObserver`] is an [`Observer`](auth_core::Observer) of authenticators. It needs
//! the API crate [`opentelemetry`] only: the program chooses SDK and exporter. [`METRICS`] lists
//! all metrics with their attributes. A request that is signed with the cached token, sent once and
//! accepted changes no metric and costs nothing.
//!
//! The terms of these pages are defined in the glossary of [`auth_core`](auth_core#glossary).
//!
//! All guides, in reading order: [Guides](https://docs.rs/auth-core/latest/auth_core/_documentation/).
//!
//! # Example
//!
//! ```
//! use auth_core::{ApiKey, Authenticator, AuthenticatorOptions, Origins, Secret};
//! use auth_opentelemetry::OpenTelemetryObserver;
//!
//! fn main() -> Result<(), auth_core::Error> {
//!     // First the SDK's provider, then the meter.
//!     let meter = opentelemetry::global::meter("auth");
//!     let observer = OpenTelemetryObserver::new(&meter);
//!     let source = ApiKey::new(Secret::new("fake-key"));
//!     let authenticator = Authenticator::builder(source, Origins::new(["https://api.example.com"])?)
//!         .options(AuthenticatorOptions::new().observer(observer).label("tenant-7"))
//!         .build()?;
//!     Ok(())
//! }
//! ```
//!
//! # Attributes
//!
//! Each metric has the attributes `auth.vendor` and `auth.authenticator`: the vendor's name, and
//! the label that the application gave the authenticator
//! ([`AuthenticatorOptions::label`](auth_core::AuthenticatorOptions::label)); without a label, the
//! vendor's name again. All other attributes have the values that [`METRICS`] lists. No attribute
//! has text from a reply, a host or a URL. Do not label authenticators by what others choose: with a
//! label for each user, a service has as many time series as it has users. Let such authenticators
//! share a label.
//!
//! Give each authenticator its own label: authenticators with the same vendor and label share
//! their metrics, and their gauges show the last one. The gauges of an authenticator that an
//! [`AuthenticatorMap`](auth_core::AuthenticatorMap) evicted keep their last value.
//!
//! # Times
//!
//! A gauge of a time is a point in time, in seconds since 1970, so that it is right between events,
//! too.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod observer;
mod table;

pub use observer::OpenTelemetryObserver;
pub use table::{METRICS, Metric, MetricAttribute};

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
