//! What one machine's processes find in a directory, whatever happened to it before.

mod contract;
mod damage;
mod lease;
mod permissions;
#[cfg(unix)]
mod processes;
mod requests;
mod temporary;
