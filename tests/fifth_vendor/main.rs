//! Meridian, a vendor that does not exist: the program of the guide "Add a vendor"
//! (`crates/auth-oauth2/src/_documentation/add_a_vendor.md`), which runs here.

mod meridian;
